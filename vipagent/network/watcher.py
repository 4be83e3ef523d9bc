"""Follows the carrier of the neighbours' interfaces, and the node's addresses, on the agent's loop (N3).

Requests are answered by the kernel within the system call, in some 10 us. The state of an interface comes
with its notification, so that a neighbour is reported without a request.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping, Set

from vipagent.core.events import AddressesNotLocal
from vipagent.engine.inputs import FromNetwork, LinksDown
from vipagent.network import netlink
from vipagent.network.carrier import Carrier
from vipagent.network.local import LocalVips, address_of
from vipagent.network.netlink import AddressChanged, Interface, InterfaceDeleted, Message, Route
from vipagent.network.sockets import TEMPORARY_ERRORS, Overflow, RouteSocket, Socket

log = logging.getLogger(__name__)

ROUTES_INTERVAL = 10.0
"""Interval in seconds to read the routes again, which may change without a notification."""
ROUTES_DELAY = 0.02
"""Delay in seconds from a notification to reading the routes: more notifications usually follow."""
ADDRESSES_DELAY = 0.1
"""Delay in seconds from a notification to the check of addresses."""
LISTING_DELAY = 0.5
"""Delay in seconds before all interfaces are listed again after notifications were lost."""
READS_PER_TURN = 16
"""Maximum number of reads per turn of the loop."""
VIPS_PER_TURN = 64
"""Number of VIPs to check per turn of the loop, in about 1 ms."""


class NetworkWatcher:
    """Watches the interfaces, routes and addresses of this node.

    Args:
        on_change: called on the loop with each change.
    """

    def __init__(self, on_change: Callable[[FromNetwork], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_change = on_change
        self._carrier, self._local = Carrier(), LocalVips()
        self._reported = LinksDown({})
        self._notifications: Socket | None = None
        self._routes: RouteSocket | None = None
        self._listed: set[int] | None = None
        """Interfaces of the listing in progress; None if none is in progress."""
        self._complete = False
        """Whether all interfaces have been listed once."""
        self._sequence = 0
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}

    def open(self) -> None:
        """Start; without rtnetlink, log a warning."""
        try:
            self._routes = RouteSocket()
            self._notifications = Socket(netlink.GROUPS)
        except OSError as error:
            self._give_up(error)
            return
        self._loop.add_reader(self._notifications.socket, self._guarded, self._read)
        self._schedule(self._list_interfaces, 0)
        self._schedule(self._check_vips, 0)

    def close(self) -> None:
        """Stop, and close the sockets."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._notifications:
            self._loop.remove_reader(self._notifications.socket)
            self._notifications.close()
        if self._routes:
            self._routes.close()
        self._notifications = self._routes = None

    def follow(self, peers: Set[str]) -> None:
        """Replace the neighbours, by address."""
        self._carrier.follow(peers)
        self._schedule(self._read_routes, 0)

    def check_local(self, vips: Set[str]) -> None:
        """Replace the VIPs to check for being local."""
        self._local.replace(vips, self._loop.time())
        self._schedule(self._check_vips, 0)

    def _schedule(self, action: Callable[[], None], delay: float) -> None:
        """Run an action after a delay, or at its earlier scheduled time."""
        if self._routes is None:
            return
        at, timer = self._loop.time() + delay, self._timers.get(action)
        if timer and timer.when() <= at:
            return
        if timer:
            timer.cancel()
        self._timers[action] = self._loop.call_at(at, self._run, action)

    def _run(self, action: Callable[[], None]) -> None:
        self._timers.pop(action, None)
        self._guarded(action)

    def _guarded(self, action: Callable[[], None]) -> None:
        """Run an action; an error ends only the watching (E6)."""
        try:
            action()
        except OSError as error:
            self._give_up(error)
        except Exception:
            log.exception("internal error")

    def _give_up(self, error: OSError) -> None:
        self.close()
        log.warning(
            "cannot follow this node's interfaces and addresses: a lost carrier closes the gate only after "
            "ExaBGP's hold time",
            extra={"fields": {"error": error}},
        )
        self._report(LinksDown({}))

    def _list_interfaces(self) -> None:
        assert self._notifications  # noqa: S101
        self._listed = set()
        self._sequence += 1
        self._notifications.send(netlink.list_interfaces(self._sequence))

    def _read(self) -> None:
        for _ in range(READS_PER_TURN):
            if self._notifications is None:
                return
            try:
                messages = self._notifications.read()
            except Overflow:
                self._read_everything_again()
                return
            if messages is None:
                return
            for message in messages:
                self._on_message(message)

    def _read_everything_again(self) -> None:
        self._listed = None
        self._schedule(self._list_interfaces, LISTING_DELAY if self._complete else 0)
        self._local.check_all(self._loop.time())
        self._schedule(self._check_vips, ADDRESSES_DELAY)

    def _on_message(self, message: Message) -> None:
        match netlink.parse(message):
            case Interface() as interface:
                self._on_interface(interface)
            case InterfaceDeleted(index):
                if self._listed:
                    self._listed.discard(index)
                self._on_deleted(index)
            case AddressChanged() as change:
                known = self._carrier.interfaces.get(change.interface)
                self._local.address_changed(change, on_loopback=known is not None and known.is_loopback)
                self._schedule(self._read_routes, ROUTES_DELAY)
                self._schedule(self._check_vips, ADDRESSES_DELAY)
            case netlink.DumpEnded() if message.sequence == self._sequence:
                self._on_listed(consistent=not message.flags & netlink.NLM_F_DUMP_INTR)
            case netlink.Failed(code) if code and message.sequence == self._sequence:
                if code not in TEMPORARY_ERRORS:
                    raise OSError(code, os.strerror(code))
                self._schedule(self._list_interfaces, LISTING_DELAY)

    def _on_interface(self, interface: Interface) -> None:
        if self._listed is not None:
            self._listed.add(interface.index)
        before = self._carrier.interfaces.get(interface.index)
        self._carrier.interface_changed(interface)
        if before != interface:
            self._on_link(interface.index)

    def _on_deleted(self, index: int) -> None:
        self._carrier.interface_deleted(index)
        self._on_link(index)

    def _on_listed(self, *, consistent: bool) -> None:
        """End the listing; one with gaps is repeated, and does not tell which interfaces were deleted."""
        if self._listed is None:
            return
        listed, self._listed, self._complete = self._listed, None, True
        if consistent:
            for index in self._carrier.interfaces.keys() - listed:
                self._on_deleted(index)
        else:
            self._schedule(self._list_interfaces, LISTING_DELAY)
        self._read_routes()

    def _on_link(self, index: int) -> None:
        """Report the neighbours that are down; those behind a gateway may be reached another way already."""
        if not self._complete:
            return
        self._find_routes(self._carrier.reached_by_gateway(index))
        self._report(self._links)
        self._schedule(self._read_routes, ROUTES_DELAY)

    def _read_routes(self) -> None:
        """Read the routes to all neighbours, now and periodically."""
        if self._complete:
            self._find_routes(self._carrier.addresses)
            self._report(self._links)
        self._schedule(self._read_routes, ROUTES_INTERVAL)

    def _find_routes(self, addresses: Mapping[str, bytes]) -> None:
        if not addresses or not self._routes:
            return
        found = self._routes.find(list(addresses.values()))
        for peer, route in zip(addresses, found, strict=True):
            self._carrier.route_read(peer, route if isinstance(route, Route) else None, self._loop.time())

    @property
    def _links(self) -> LinksDown:
        return LinksDown(self._carrier.down(), self._carrier.reached_by())

    def _report(self, links: LinksDown) -> None:
        if links != self._reported:
            self._reported = links
            self._on_change(links)

    def _check_vips(self) -> None:
        """Check the next VIPs, now and periodically."""
        batch = self._local.next_batch(VIPS_PER_TURN, self._loop.time())
        if batch and self._routes:
            found = self._routes.find([_packed(address_of(vip)) for vip in batch])
            for vip, route in zip(batch, found, strict=True):
                if route is not None:
                    self._local.checked(vip, local=isinstance(route, Route) and route.local)
        if (change := self._local.change()) is not None:
            self._on_change(AddressesNotLocal(change))
        self._schedule(self._check_vips, self._local.delay(self._loop.time()))


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
