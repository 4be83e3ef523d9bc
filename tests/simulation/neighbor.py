"""One BGP neighbour of a simulated ExaBGP: its session, its routes in ExaBGP, and those that it has received.

Both sides of a session may differ for a while: each notices a lost link by its own hold timer, unless it sees
its interface. What ExaBGP has acknowledged is in its table; the wire may differ (measured): changes to one
prefix in one flush are reordered, and withdrawals during the first flush of a session are skipped.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

PEER = "192.0.2.1"
LOCAL_ADDRESS = "192.0.2.2"
LOCAL_AS = 65001
IPV4, IPV6 = "ipv4 unicast", "ipv6 unicast"
FIRST_FLUSH = 0.5
"""Seconds after a session comes up during which withdrawals are skipped."""
KEEPALIVES = 3
"""Number of keep-alives in a hold time."""
OPENING_MESSAGES = 2
"""Messages that ExaBGP receives when a session is established."""
WITHDRAWN = "withdrawn"
GENERIC_ORIGIN = re.compile(r" attribute \[ 0x01 0x40 0x0([012]) \]")
"""ORIGIN as a generic attribute: the route is the same, but ExaBGP sends it again."""
ORIGINS = ("", " origin egp", " origin incomplete")
"""ORIGIN in its usual spelling, by its code; the default one is not written."""


@dataclass(frozen=True, slots=True)
class NeighborSettings:
    """A neighbour in ExaBGP's configuration, and what it negotiates."""

    address: str = PEER
    asn: int = 65000
    local_as: int = LOCAL_AS
    hold_time: float = 9.0
    configured: tuple[str, ...] = (IPV4,)
    """Families in ExaBGP's configuration."""
    negotiated: tuple[str, ...] = (IPV4,)
    """Families that the neighbour supports, too."""
    add_path: bool = False
    """Whether the neighbour distinguishes path identifiers."""


@dataclass
class Neighbor:
    """One neighbour; routes are identified by their prefix and path identifier, as in a command."""

    settings: NeighborSettings = field(default_factory=NeighborSettings)
    established: bool = True
    """Whether ExaBGP considers the session established."""
    holds: bool = True
    """Whether the neighbour considers it established."""
    table: dict[str, str] = field(default_factory=dict)
    """The acknowledged routes: attributes by route."""
    wire: dict[str, str] = field(default_factory=dict)
    """The routes that the neighbour has received and keeps."""
    up_at: float = -FIRST_FLUSH
    silent_since: float | None = None
    """Since when no packet passes between both sides."""
    path_restored_at: float = 0.0
    """When packets began to pass again."""
    wire_changes: int = 0
    """Number of changes to the wire."""
    _last_heard: float | None = None
    """When ExaBGP received the last message of a neighbour that has dropped the session since."""
    _undelivered: list[tuple[str, str]] = field(default_factory=list)
    """Changes sent while no packet passes."""
    _announced_while_down: dict[str, str] = field(default_factory=dict)
    """Routes announced while the session was down; sent when it comes up, even if withdrawn since."""
    _groups: dict[str, dict[str, None]] = field(default_factory=dict)
    """Changes of the current flush: routes by attributes."""
    _latest: dict[str, str] = field(default_factory=dict)

    @property
    def works(self) -> bool:
        """Whether the session is established on both sides and packets pass."""
        return self.established and self.holds and self.silent_since is None

    @property
    def reachable_routes(self) -> dict[str, str]:
        """The routes that the neighbour keeps, unless no packet passes to their next hop."""
        return self.wire if self.silent_since is None else {}

    @property
    def shown(self) -> set[str]:
        """The routes in the table, as the neighbour identifies them."""
        return {route if self.settings.add_path else route.partition(" ")[0] for route in self.table}

    def change(self, route: str, attributes: str) -> None:
        """Announce or withdraw a route in the current flush."""
        if family(route) not in self.settings.configured:
            return
        groups, latest = self._groups, self._latest
        if attributes == WITHDRAWN:
            self.table.pop(route, None)
            groups.get(latest.get(route, ""), {}).pop(route, None)
        elif self.table.get(route) == attributes:
            return
        else:
            self.table[route] = attributes
        groups.setdefault(attributes, {})[route] = None
        latest[route] = attributes

    def flush(self, now: float) -> None:
        """Send all changes, grouped by attributes, which may reorder changes to one prefix."""
        if not self._groups:
            return
        changes = [(route, attributes) for attributes, group in self._groups.items() for route in group]
        self._groups, self._latest = {}, {}
        if not self.established:
            for route, attributes in changes:
                if attributes != WITHDRAWN:
                    self._announced_while_down[route] = attributes
            return
        if now < self.up_at + FIRST_FLUSH:
            changes = [change for change in changes if change[1] != WITHDRAWN]
        if self.silent_since is not None:
            self._undelivered += changes
        elif self.holds:
            self._deliver(changes)

    def come_up(self, now: float) -> None:
        """Establish the session on both sides."""
        self.established = self.holds = True
        self.wire = {}
        self._deliver([*self._announced_while_down.items(), *self.table.items()])
        self._announced_while_down, self._undelivered, self._last_heard = {}, [], None
        self.up_at = now

    def go_down(self) -> None:
        """Close ExaBGP's side; the neighbour learns it if packets pass."""
        self.established = False
        self._announced_while_down, self._undelivered = {}, []
        if self.silent_since is None:
            self.drop()

    def drop(self, now: float | None = None) -> None:
        """Close the neighbour's side, which removes all routes.

        Args:
            now: the time, if ExaBGP does not learn it.
        """
        if now is not None and self.holds and self._last_heard is None:
            self._last_heard = self._heard_until(now)
        self.holds = False
        self.wire_changes += bool(self.wire)
        self.wire = {}

    def silence(self, now: float) -> None:
        """Let no packet pass any more."""
        if self.silent_since is None:
            self.silent_since = now
            self.wire_changes += 1

    def end_silence(self, now: float) -> None:
        """Let packets pass again; what was sent meanwhile arrives if the session has survived."""
        self.silent_since, self.path_restored_at = None, now
        self.wire_changes += 1
        changes, self._undelivered = self._undelivered, []
        if self.established and self.holds:
            self._deliver(changes)

    def received(self, now: float) -> int:
        """Return the number of messages that ExaBGP has received in this session."""
        if not self.established:
            return 0
        return OPENING_MESSAGES + int((self._heard_until(now) - self.up_at) / self.keepalive_interval)

    def last_heard(self, now: float) -> float:
        """Return when either side received the last keep-alive of the other."""
        beats = int((self._heard_until(now) - self.up_at) / self.keepalive_interval)
        return self.up_at + beats * self.keepalive_interval

    @property
    def keepalive_interval(self) -> float:
        """Seconds between two keep-alives."""
        return self.settings.hold_time / KEEPALIVES

    def leave(self, route: str, attributes: str) -> None:
        """Add a route that another process, or an earlier run, has announced."""
        self.table[route] = attributes
        if self.established and self.holds:
            self._deliver([(route, attributes)])

    def _heard_until(self, now: float) -> float:
        """Return until when messages have been received."""
        if self._last_heard is not None:
            return self._last_heard
        return now if self.silent_since is None else self.silent_since

    def _deliver(self, changes: list[tuple[str, str]]) -> None:
        negotiated, add_path = self.settings.negotiated, self.settings.add_path
        for route, attributes in changes:
            if family(route) not in negotiated:
                continue
            received = route if add_path else route.partition(" ")[0]
            if attributes == WITHDRAWN:
                self.wire.pop(received, None)
            else:
                self.wire[received] = _as_received(attributes)
            self.wire_changes += 1


def family(route: str) -> str:
    """Return the family of a route."""
    return IPV6 if ":" in route.partition(" ")[0] else IPV4


@lru_cache(4096)
def _as_received(attributes: str) -> str:
    """Return attributes as the neighbour receives them: the spelling of ORIGIN makes no difference."""
    return GENERIC_ORIGIN.sub(lambda generic: ORIGINS[int(generic[1])], attributes)
