"""Parser of ExaBGP's answer to `show neighbor extensive`: what it knows about each neighbour (N1)."""

from dataclasses import dataclass

SHOW_DETAILS = "show neighbor extensive"
"""Query of all neighbours, established or not; 4.2 and 5 answer alike."""


@dataclass(frozen=True, slots=True)
class NeighborDetails:
    """One BGP neighbour as ExaBGP describes it; None is unknown, as before a session is established."""

    peer: str
    state: str = ""
    """State of the session: `established`, `active`, `idle`, ...; empty if unknown."""
    local_address: str | None = None
    local_as: int | None = None
    peer_as: int | None = None
    hold_time: int | None = None
    """Negotiated hold time in seconds: the smaller one of both sides; 0: the session never expires."""
    families: frozenset[str] | None = None
    """Families that both sides have negotiated: `ipv4 unicast`, ..."""
    received: int | None = None
    """Messages received in this session; a larger number than before proves that the session is alive."""

    @property
    def is_ibgp(self) -> bool | None:
        """Whether both sides have the same AS number; None if unknown."""
        if self.local_as is None or self.peer_as is None:
            return None
        return self.local_as == self.peer_as
