"""Neighbours whose interface has lost its carrier, sans-I/O (N3).

Such a neighbour counts as down at once, long before ExaBGP's hold timer expires. When the carrier is back,
the session may have survived, or the switch may have closed it and ExaBGP does not know yet. So the neighbour
counts as up again only after ExaBGP has reported that the session came up, or has received another message.
"""

from collections.abc import Iterable, Mapping, Set

from vipagent.exabgp.details import NeighborDetails


class Links:
    """Neighbours that do not count as up because of their interface."""

    def __init__(self) -> None:
        self.down: Mapping[str, str] = {}
        """Interface that is down, by neighbour."""
        self.interfaces: Mapping[str, str] = {}
        """Interface by which the kernel reaches each neighbour, where known."""
        self._unproven: dict[str, int | None] = {}
        """Neighbours whose interface was down, and the messages received since it is up; None if unknown."""

    @property
    def excluded(self) -> Set[str]:
        """Neighbours that do not count as up."""
        return self._unproven.keys()

    @property
    def needs_details(self) -> bool:
        """Whether an interface is up again, but no message of the neighbour has proven the session yet."""
        return not self._unproven.keys() <= self.down.keys()

    def changed(self, down: Mapping[str, str], interfaces: Mapping[str, str]) -> None:
        """Update the interfaces that are down, and all known ones, by neighbour."""
        self.interfaces = interfaces
        for peer in down.keys() - self.down.keys():
            self._unproven[peer] = None
        self.down = down

    def session_reported(self, peer: str, *, from_summary: bool) -> None:
        """Record that ExaBGP has reported that the session came up or went down.

        Args:
            peer: the neighbour.
            from_summary: whether a summary reports it, which does not tell when it was. While the interface
                is down, the session must have come up before.
        """
        if from_summary and peer in self.down:
            self._unproven[peer] = None
        else:
            self._unproven.pop(peer, None)

    def details_read(self, details: Mapping[str, NeighborDetails]) -> None:
        """Compare the numbers of received messages; the query must have been sent with the interface up."""
        for peer, before in list(self._unproven.items()):
            found = details.get(peer)
            received = found.received if found else None
            if found is None or peer in self.down or received is None:
                continue
            if before is None:
                self._unproven[peer] = received
            elif received != before or found.hold_time == 0:  # without a hold time there are no keepalives
                del self._unproven[peer]

    def forget(self, peers: Iterable[str]) -> None:
        """Forget neighbours that ExaBGP does not have any more."""
        for peer in peers:
            self._unproven.pop(peer, None)
