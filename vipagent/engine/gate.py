"""BGP gate: what is known of ExaBGP's neighbours, and whether ExaBGP answers (E5, N1-N3, N10)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vipagent.core.events import NeighborsChanged
from vipagent.core.state import earliest
from vipagent.engine.effects import Log
from vipagent.engine.neighbor_log import NeighborLog
from vipagent.exabgp.details import UNICAST, NeighborDetails
from vipagent.exabgp.links import Links
from vipagent.exabgp.messages import Message, NeighborState
from vipagent.exabgp.neighbors import Neighbors
from vipagent.exabgp.polling import FIRST_ANSWER_TIMEOUT
from vipagent.types import Neighbor, SessionState


class GateChange(NamedTuple):
    """Change caused by a line of ExaBGP's output, by the network or by a timeout."""

    came_up: bool = False
    """Whether a BGP session came up."""
    neighbors: bool = False
    """Whether the established neighbours, or what they have negotiated, have changed."""
    kinds: bool = False
    """Whether the kind of a neighbour (iBGP, eBGP) may have become known or have changed."""
    peers: bool = False
    """Whether a neighbour was learnt, or ExaBGP does not have it any more."""
    logs: tuple[Log, ...] = ()


@dataclass(frozen=True, slots=True)
class _Snapshot:
    facts: tuple[object, ...] = field(compare=False)
    """See `Neighbors.facts`."""
    hung: bool
    established: frozenset[str] | None
    unseen: bool
    details: Mapping[str, NeighborDetails]
    asns: Mapping[str, int]
    ibgp: Mapping[str, bool]
    links_down: Mapping[str, str]
    interfaces: Mapping[str, str]


class Gate:
    """Tracks ExaBGP's neighbours."""

    def __init__(self) -> None:
        self.details: Mapping[str, NeighborDetails] = {}
        """ExaBGP's description of each neighbour, as of its last answer."""
        self.peers: frozenset[str] = frozenset()
        """All known neighbours."""
        self.ibgp: Mapping[str, bool] = {}
        """Whether each neighbour is an iBGP neighbour, as ExaBGP has last described it."""
        self._described: frozenset[str] = frozenset()
        """Neighbours that ExaBGP has described as established."""
        self._neighbors = Neighbors()
        self._links = Links()
        self._log = NeighborLog()
        self._unseen = False
        self._warn_at: float | None = None
        """When to warn that the neighbours are unknown; None before the first query and after the check."""
        self._queried = False
        self._seen = self._snapshot()
        """What was known after the last change."""

    @property
    def flapping(self) -> bool:
        """Whether any neighbour changes too often to log each change."""
        return self._log.flapping

    @property
    def hung(self) -> bool:
        """Whether ExaBGP has not answered a query in time and has sent no other output."""
        return self._neighbors.hung

    @property
    def neighbors(self) -> tuple[Neighbor, ...]:
        """The neighbours and what is known of them; empty if ExaBGP has not reported any."""
        return tuple(self._neighbor(peer) for peer in sorted(self.peers))

    @property
    def established(self) -> int | None:
        """Number of established neighbours; None if unknown."""
        established = self._established
        return None if established is None else len(established)

    @property
    def hold_time(self) -> float | None:
        """The shortest negotiated hold time in seconds; None if unknown, or if no session expires."""
        holds = (self.details[peer].hold_time for peer in self._neighbors.established & self.details.keys())
        return min((hold for hold in holds if hold), default=None)

    @property
    def needs_details(self) -> bool:
        """Whether ExaBGP should describe its neighbours soon."""
        return not self._neighbors.established <= self._described or self._links.needs_details

    def event(self, selected: Iterable[str]) -> NeighborsChanged:
        """Return what a service needs to know of its neighbours.

        Args:
            selected: the neighbours that receive its routes; empty: all.
        """
        established = self._established
        if established is None:
            return NeighborsChanged(None, unseen=self._unseen)
        only = frozenset(selected)
        counted = established & only if only else established
        return NeighborsChanged(len(counted), self._families(counted))

    def missing(self, selected: Iterable[str]) -> list[str]:
        """Return the selected neighbours that ExaBGP has not, once it has described those that it has."""
        return [peer for peer in selected if peer not in self.peers] if self.details else []

    def kinds(self, local_as: int | None) -> Mapping[str, bool]:
        """Return whether a neighbour is an iBGP neighbour, for each whose kind is known (N10).

        Args:
            local_as: the configured AS number, which decides until ExaBGP has described its neighbours: the
                first routes are sent before that.
        """
        if self.ibgp or local_as is None:
            return self.ibgp
        return {peer: asn == local_as for peer, asn in self._neighbors.asns.items()}

    def on_query_sent(self, now: float) -> None:
        """Record that a query was written to ExaBGP."""
        if not self._queried:
            self._queried, self._warn_at = True, now + FIRST_ANSWER_TIMEOUT
        self._neighbors.query_sent(now)

    def on_message(self, message: Message, now: float) -> GateChange | None:
        """Process one line of ExaBGP's output; return the change, if any."""
        states = self._neighbors.message_received(message, now)
        if not states and self._neighbors.facts == self._seen.facts:
            return None
        if not self._seen.hung:  # the sessions that a hang has hidden are not new
            for state in states:
                self._links.session_reported(state.peer, from_summary=state.from_summary)
        return self._change(states, now)

    def details_read(self, details: Mapping[str, NeighborDetails], now: float) -> GateChange | None:
        """Process ExaBGP's description of its neighbours; return the change, if any.

        An empty one is ignored while a neighbour is established: if ExaBGP sends no replies, an answer
        counts as complete after a pause, although nothing of it may have arrived yet.
        """
        if not details and self._neighbors.established:
            return None

        def update() -> None:
            self.details = details
            self._described = frozenset(peer for peer, found in details.items() if found.established)
            self._update_ibgp()
            self._links.details_read(details)
            self._links.forget(self._links.excluded - details.keys())
            self._neighbors.hold_time = self.hold_time

        return self._changed_by(update, now)

    def links_changed(
        self, down: Mapping[str, str], interfaces: Mapping[str, str], now: float
    ) -> GateChange | None:
        """Update the neighbours' interfaces, and those that are down (N3); return the change, if any."""
        return self._changed_by(lambda: self._links.changed(down, interfaces), now)

    def check_timeout(self, now: float) -> GateChange | None:
        """Return the change if ExaBGP has not answered in time; read all pending output first."""
        at = self.deadline()
        if at is None or now < at:
            return None
        states = self._neighbors.handle_timeouts(now)
        due = self._warn_at is not None and now >= self._warn_at
        if due:
            self._warn_at, self._unseen = None, self._established is None
        changed = self._change(states, now)
        logs = (*self._log.due(now), *(self._unseen_logs() if due else ()))
        if not logs:
            return changed
        changed = changed or GateChange()
        return changed._replace(logs=(*changed.logs, *logs))

    def _unseen_logs(self) -> Iterator[Log]:
        if self._unseen:
            yield Log.warning(
                "BGP unknown: ExaBGP neither answers `show neighbor summary` nor reports its neighbours, "
                "the BGP gate stays open; check its version and the api block of exabgp.conf"
            )

    def deadline(self) -> float | None:
        """Return when to call `check_timeout`."""
        return earliest(self._neighbors.deadline(), self._warn_at, self._log.deadline())

    @property
    def _established(self) -> frozenset[str] | None:
        """The neighbours that count as up; None if unknown."""
        if not self.hung and not self._neighbors.known:
            return None
        established, excluded = self._neighbors.established, self._links.excluded
        return established - excluded if excluded else established

    def _families(self, peers: Iterable[str]) -> frozenset[int] | None:
        """Return the IP versions that these neighbours have negotiated; None if unknown or without any."""
        families: set[str] = set()
        known = False
        for peer in peers:
            negotiated = self.details[peer].families if peer in self.details else None
            if negotiated is None:
                return None
            families |= negotiated
            known = True
        return frozenset(UNICAST[name] for name in families & UNICAST.keys()) if known else None

    def _update_ibgp(self) -> None:
        """Update the kinds; a described neighbour of unknown AS number keeps its kind."""
        known = {
            peer: self.ibgp.get(peer) if found.is_ibgp is None else found.is_ibgp
            for peer, found in self.details.items()
        }
        ibgp = {peer: kind for peer, kind in known.items() if kind is not None}
        if ibgp != self.ibgp:
            self.ibgp = ibgp

    def _snapshot(self) -> _Snapshot:
        neighbors = self._neighbors
        return _Snapshot(
            neighbors.facts,
            neighbors.hung,
            self._established,
            self._unseen,
            self.details,
            neighbors.asns,
            self.ibgp,
            self._links.down,
            self._links.interfaces,
        )

    def _changed_by(self, update: Callable[[], None], now: float) -> GateChange | None:
        """Update what is known; neighbours that come to count or cease to count are logged."""
        before = self._seen.established
        update()
        states: list[NeighborState] = []
        if before is not None and self._established is not None:
            for peer in sorted(before ^ self._established):
                states.append(NeighborState(peer, established=peer in self._established))
        return self._change(states, now)

    def _change(self, states: list[NeighborState], now: float) -> GateChange | None:
        before, after = self._seen, self._snapshot()
        self._seen = after
        if not states and before == after:
            return None
        peers, self.peers = self.peers, self._neighbors.established | self.details.keys()
        return GateChange(
            came_up=any(state.established for state in states),
            neighbors=(before.established, before.unseen, before.details)
            != (after.established, after.unseen, after.details),
            kinds=(before.asns, before.ibgp) != (after.asns, after.ibgp),
            peers=peers != self.peers,
            logs=(*self._hung_logs(before.hung), *self._state_logs(states, now)),
        )

    def _hung_logs(self, hung: bool) -> tuple[Log, ...]:
        if self.hung and not hung:
            return (Log.error("ExaBGP does not answer, closing the BGP gate", established=0),)
        if hung and not self.hung:
            return (Log.warning("ExaBGP answers again", established=self.established),)
        return ()

    def _state_logs(self, states: Iterable[NeighborState], now: float) -> Iterator[Log]:
        for state in states:
            interface = None if state.established else self._links.down.get(state.peer)
            why = {"interface": interface, "cause": "no carrier"} if interface else {}
            if entry := self._log.changed(state.peer, now, established=state.established, **why):
                yield entry

    def _neighbor(self, peer: str) -> Neighbor:
        found = self.details.get(peer, NeighborDetails(peer))
        return Neighbor(
            peer,
            self._session_state(peer),
            found.local_as,
            found.peer_as,
            tuple(sorted(found.families or ())),
            found.hold_time,
            self._links.down.get(peer) or self._links.interfaces.get(peer, ""),
        )

    def _session_state(self, peer: str) -> SessionState:
        if self.hung:
            return SessionState.HUNG
        established = self._established
        if established is not None and peer in established:
            return SessionState.ESTABLISHED
        if peer in self._links.down:  # the cause, also after ExaBGP has noticed that the session is down
            return SessionState.NO_CARRIER
        return SessionState.UNKNOWN if established is None else SessionState.DOWN
