"""Neighbours whose interface has no carrier, sans-I/O (N3).

The caller reports interfaces as they change, and the kernel's route to each neighbour. A neighbour counts as
down when all interfaces of its route are down, have no carrier or were deleted. If an interface is set down,
the kernel removes its routes; so the neighbour stays down until it has a route with a carrier again.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from ipaddress import ip_address

from vipagent.network.netlink import Interface, Route

FALLBACK_TIME = 300.0
"""Time in seconds after which a neighbour on a link may have a route with a gateway. Before, it is probably
the default route, in place of the link's own route; a session over the link has expired after this time."""


@dataclass(slots=True)
class _Neighbor:
    address: bytes | None
    """Whose route is needed; None if no route can tell the interface."""
    zone: str = ""
    """Interface of a link-local address."""
    interfaces: frozenset[int] = frozenset()
    """Interfaces of its last route; empty if unknown."""
    on_link: bool = False
    local: bool = False
    """Whether it is an address of this node."""
    down: bool = False
    fallback_since: float | None = None
    """Since when there is only a route with a gateway, for a neighbour on a link."""


class Carrier:
    """Interfaces, and the neighbours that are reached by them."""

    def __init__(self) -> None:
        self.interfaces: dict[int, Interface] = {}
        """All interfaces, by index."""
        self._deleted: dict[int, Interface] = {}
        """Deleted interfaces by which a neighbour was reached."""
        self._neighbors: dict[str, _Neighbor] = {}

    @property
    def addresses(self) -> Mapping[str, bytes]:
        """Addresses whose route is needed, by neighbour."""
        return {peer: found.address for peer, found in self._neighbors.items() if found.address}

    def follow(self, peers: Set[str]) -> None:
        """Replace the neighbours."""
        self._neighbors = {peer: self._neighbors.get(peer) or _parse(peer) for peer in peers}

    def interface_changed(self, interface: Interface) -> None:
        """Add or replace an interface."""
        self.interfaces[interface.index] = interface
        self._deleted.pop(interface.index, None)

    def interface_deleted(self, index: int) -> None:
        """Remove an interface."""
        if deleted := self.interfaces.pop(index, None):
            used = {index for found in self._neighbors.values() for index in found.interfaces}
            self._deleted = {old: known for old, known in self._deleted.items() if old in used}
            self._deleted[index] = deleted

    def reached_by_gateway(self, index: int) -> Mapping[str, bytes]:
        """Return neighbours behind a gateway at this interface, which may have another route already."""
        return {
            peer: found.address
            for peer, found in self._neighbors.items()
            if found.address and index in found.interfaces and not found.on_link
        }

    def route_read(self, peer: str, route: Route | None, now: float) -> None:
        """Update a neighbour's route; None if it has none."""
        found = self._neighbors.get(peer)
        if found is None or route is None:
            return
        found.local = route.local
        if route.local:
            found.interfaces, found.down = frozenset(), False
            return
        if found.interfaces and found.on_link and not route.on_link:
            if found.fallback_since is None:
                found.fallback_since = now
            if now - found.fallback_since < FALLBACK_TIME:
                return
        found.interfaces, found.on_link, found.fallback_since = route.interfaces, route.on_link, None
        found.down = self._is_down(found)

    def down(self) -> dict[str, str]:
        """Return the neighbours that are down, with the names of the interfaces."""
        for found in self._neighbors.values():
            if found.zone:
                found.interfaces = self._of_zone(found)
                found.down = False  # no route is needed for it
            found.down = found.down or self._is_down(found)
        return {
            peer: ",".join(sorted(self._names(found)))
            for peer, found in sorted(self._neighbors.items())
            if found.down
        }

    def reached_by(self) -> dict[str, str]:
        """Return the names of the interfaces by which the kernel reaches each neighbour, where known."""
        names = {peer: ",".join(sorted(self._names(found))) for peer, found in self._neighbors.items()}
        return {peer: name for peer, name in sorted(names.items()) if name}

    def _is_down(self, neighbor: _Neighbor) -> bool:
        return bool(neighbor.interfaces) and not any(map(self._has_carrier, neighbor.interfaces))

    def _has_carrier(self, index: int) -> bool:
        """Return whether an interface has a carrier; one that is not known yet counts as one that has."""
        if index in self._deleted:
            return False
        return index not in self.interfaces or self.interfaces[index].has_carrier

    def _of_zone(self, neighbor: _Neighbor) -> frozenset[int]:
        """Return the interface of a link-local neighbour; a renamed or deleted one remains its interface."""
        for index, interface in self.interfaces.items():
            if neighbor.zone in {interface.name, str(index)}:
                return frozenset([index])
        return neighbor.interfaces

    def _names(self, neighbor: _Neighbor) -> Iterator[str]:
        if neighbor.local:
            yield from (interface.name for interface in self.interfaces.values() if interface.is_loopback)
        for index in neighbor.interfaces:
            if interface := self.interfaces.get(index) or self._deleted.get(index):
                yield interface.name


def _parse(peer: str) -> _Neighbor:
    try:
        address = ip_address(peer)
    except ValueError:  # not an address: nothing to ask the kernel for
        return _Neighbor(None)
    if address.is_link_local and address.version == 6:  # noqa: PLR2004
        return _Neighbor(None, address.scope_id or "")
    return _Neighbor(address.packed)
