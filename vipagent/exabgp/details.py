"""Reader of ExaBGP's answer to `show neighbor extensive`: what it knows about each neighbour (N1).

4.2 and 5 answer alike: a block of lines for each session, established or not. A line has a name, the local
value and the remote one, which is `n/a` without a session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

SHOW_DETAILS = "show neighbor extensive"
"""Query of all neighbours, established or not."""
MAX_DESCRIBED = 256
"""Maximum number of sessions that are kept of an answer."""
UNICAST = {"ipv4 unicast": 4, "ipv6 unicast": 6}
"""IP version by family; a VIP needs one of these."""


class DetailsStart(NamedTuple):
    """First line of a session's block."""

    peer: str


class DetailsValue(NamedTuple):
    """A line of a session's block."""

    name: str
    """`state`, `AS`, `hold-time`, a family such as `ipv4 unicast`, ..."""
    local: str
    remote: str
    """Empty if the line has only one value."""


@dataclass(frozen=True, slots=True)
class NeighborDetails:
    """One BGP neighbour as ExaBGP describes it; None is unknown, as before a session is established."""

    peer: str
    established: bool = False
    local_address: str | None = None
    local_as: int | None = None
    peer_as: int | None = None
    hold_time: int | None = None
    """Negotiated hold time in seconds: the smaller one of both sides; 0: the session never expires."""
    families: frozenset[str] | None = None
    """Families that both sides have negotiated: `ipv4 unicast`, ..."""
    received: int | None = field(default=None, compare=False)
    """Messages received in this session; a larger number than before proves that the session is alive."""

    @property
    def is_ibgp(self) -> bool | None:
        """Whether both sides have the same AS number; None if unknown."""
        if self.local_as is None or self.peer_as is None:
            return None
        return self.local_as == self.peer_as


class DetailsReader:
    """Collects the lines of one answer."""

    def __init__(self) -> None:
        self._sessions: list[tuple[str, dict[str, DetailsValue]]] = []

    def add(self, line: DetailsStart | DetailsValue) -> None:
        """Add a line; lines outside of a block, and sessions above `MAX_DESCRIBED`, are ignored."""
        if isinstance(line, DetailsStart):
            self._sessions.append((line.peer, {}))
        elif self._sessions and len(self._sessions) <= MAX_DESCRIBED:
            self._sessions[-1][1][line.name] = line

    def finish(self) -> Mapping[str, NeighborDetails]:
        """Return the neighbours by address, and start with an empty answer.

        Of several sessions with the same peer address, established ones count.
        """
        sessions, self._sessions = self._sessions, []
        details: dict[str, NeighborDetails] = {}
        for peer, values in sessions[:MAX_DESCRIBED]:
            session = _session(peer, values)
            before = details.get(peer)
            details[peer] = _combined(before, session) if before else session
        return details


def _session(peer: str, values: Mapping[str, DetailsValue]) -> NeighborDetails:
    state, local = values.get("state"), values.get("local")
    asns, total, hold = values.get("AS"), values.get("total:"), values.get("hold-time")
    established = state is not None and state.local.lower() == "established"
    sides = [_number(hold.local), _number(hold.remote)] if hold else []
    known = [side for side in sides if side is not None]
    return NeighborDetails(
        peer,
        established,
        local_address=local.local if local else None,
        local_as=_number(asns.local) if asns else None,
        peer_as=_number(asns.remote) if asns else None,
        hold_time=min(known) if len(known) == len(sides) == 2 else None,  # noqa: PLR2004 - both sides
        families=_families(values) if established else None,
        received=_number(total.remote) if total and established else None,
    )


def _families(values: Mapping[str, DetailsValue]) -> frozenset[str]:
    negotiated = ("enabled", "enabled")
    return frozenset(
        name.removesuffix(":")
        for name, value in values.items()
        if " " in name and (value.local, value.remote) == negotiated
    )


def _combined(one: NeighborDetails, other: NeighborDetails) -> NeighborDetails:
    """Combine two sessions with the same peer address."""
    if one.established != other.established:
        return one if one.established else other
    families = (one.families or frozenset()) | (other.families or frozenset())
    return replace(
        one,
        families=families if one.established else None,
        received=(one.received or 0) + (other.received or 0) if one.established else None,
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else None  # noqa: PLR2004 - AS numbers have 32 bit
