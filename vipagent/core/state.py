"""State of one service as known to this node (Shape 1, 6).

An unknown set of members is never treated as an empty one (L1, L3, L4).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from vipagent.core.actions import Preference
from vipagent.core.events import MaintenanceSeen, Member
from vipagent.core.settings import ServiceSettings, ip_version
from vipagent.types import CheckResult, CheckState, Claim, StoreState


def earliest(*times: float | None) -> float | None:
    """Return the earliest of these times; None means never.

    Called for every event, so it avoids building a list.
    """
    first = None
    for at in times:
        if at is not None and (first is None or at < first):
            first = at
    return first


class Deadlines:
    """Evaluates deadlines against one reading of the monotonic clock and records the next one."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.next: float | None = None
        """The earliest deadline that was checked and has not been reached."""

    def reached(self, at: float) -> bool:
        """Return whether `at` has been reached; if not, record it as a deadline."""
        if self.now >= at:
            return True
        self.next = at if self.next is None else min(self.next, at)
        return False


class Health:
    """State of the local check, with `rise` and `fall` as in ExaBGP's healthcheck (H4, C1).

    Args:
        rise: consecutive good results before the state becomes UP (1 or more).
        fall: consecutive bad results before the state becomes DOWN (1 or more).
    """

    def __init__(self, rise: int, fall: int) -> None:
        self.rise = rise
        self.fall = fall
        self.state = CheckState.STARTING
        self._result = CheckResult.GOOD
        self._streak = 0

    @property
    def changing(self) -> bool:
        """Whether the last result disagrees with the state: run the next check after `fast_interval`."""
        settled = {CheckState.UP: CheckResult.GOOD, CheckState.DOWN: CheckResult.BAD}
        if self.state is CheckState.DISABLED:
            return False
        return settled.get(self.state) is not self._result

    def count(self, result: CheckResult) -> bool:
        """Count one result; return whether the state has changed."""
        self._streak = self._streak + 1 if result is self._result else 1
        self._result = result
        before = self.state
        if result is CheckResult.DISABLED:
            self.state = CheckState.DISABLED
        elif result is CheckResult.GOOD and self._streak >= self.rise:
            self.state = CheckState.UP
        elif result is CheckResult.BAD and self._streak >= self.fall:
            self.state = CheckState.DOWN
        elif before is CheckState.DISABLED:
            self.state = CheckState.STARTING
        return self.state is not before


class View:
    """The last snapshot of the members, with the age of each member and the state of the session.

    Args:
        settle: seconds after a (re)connection during which previous members are presumed alive (L3).
    """

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self.store = StoreState.LOST
        self.known = False
        """Whether a snapshot was ever received."""
        self.fresh = False
        """Whether the snapshot belongs to the current session."""
        self.session_lost = False
        """Whether the session was lost and no snapshot was received since (L1)."""
        self.members: Mapping[str, Member] = {}
        self._since: dict[str, float] = {}
        self._presumed: frozenset[str] | None = None
        """Members before the (re)connection; None if unknown, so that every VIP is presumed alive."""
        self._settled_at = 0.0

    def store_changed(self, state: StoreState, now: float) -> None:
        """Update the session's state; any state but CONNECTED freezes the view."""
        self.store = state
        if self.known and state is StoreState.LOST:
            self.session_lost = True
        if state is not StoreState.CONNECTED and self.fresh:
            self.fresh = False
            if now >= self._settled_at:
                self._presumed = frozenset(self.members)
            elif self._presumed is not None:
                self._presumed |= self.members.keys()

    def update(self, members: Mapping[str, Member], now: float) -> None:
        """Store a snapshot; ignore it unless the session is connected."""
        if self.store is not StoreState.CONNECTED:
            return
        if not self.fresh:
            self.fresh = self.known = True
            self.session_lost = False
            self._settled_at = now + self.settle
        self.members = members
        self._since = {vip: self._since.get(vip, now) for vip in members}

    def expect(self, vips: Iterable[str], now: float) -> None:
        """Presume the owners of these VIPs alive for `settle` seconds, as after a first connection."""
        if self.fresh and now >= self._settled_at:
            self._presumed = frozenset()
        if self._presumed is not None:
            self._presumed = self._presumed.union(vips)
        self._settled_at = now + self.settle

    def forget(self, vips: Collection[str]) -> None:
        """Remove the members of these VIPs without waiting for the next snapshot."""
        self.members = {vip: member for vip, member in self.members.items() if vip not in vips}
        self._since = {vip: since for vip, since in self._since.items() if vip not in vips}

    def is_presumed_alive(self, vip: str, deadlines: Deadlines) -> bool:
        """Return whether the owner of an absent VIP may still be reconnecting (L3)."""
        if self.fresh and deadlines.reached(self._settled_at):
            return False
        return self._presumed is None or vip in self._presumed

    def is_alive(self, vip: str) -> bool:
        """Return whether the VIP has a member in the last snapshot."""
        return vip in self.members

    def alive_for(self, vip: str, seconds: float, deadlines: Deadlines) -> bool:
        """Return whether the VIP has had a member for `seconds` without interruption."""
        return vip in self.members and deadlines.reached(self._since[vip] + seconds)


@dataclass
class ServiceState:
    """Everything the decisions depend on."""

    settings: ServiceSettings
    started: float
    health: Health
    view: View
    maintenance: MaintenanceSeen | None = None
    """None until the maintenance keys have been read (H5)."""
    neighbors: int | None = None
    """Established BGP neighbours; None if unknown."""
    families: frozenset[int] | None = None
    """IP versions that an established neighbour has negotiated; None if unknown."""
    bgp_unseen: bool = False
    """Whether ExaBGP has had enough time to report its neighbours, and has not."""
    table: frozenset[str] | None = None
    """VIPs of the pool that ExaBGP announces, at the request of any process; None if unknown."""
    unsure: set[str] = field(default_factory=set)
    """VIPs whose route has changed since the table was read."""
    refused: set[str] = field(default_factory=set)
    """VIPs whose requested route ExaBGP has rejected."""
    held_until: float | None = None
    """Until when the owned VIPs are announced at the lowest rank, because the service has flapped (H4)."""
    not_local: frozenset[str] | None = None
    """VIPs of any service that are an address of no interface of this node; None if unknown."""
    missing_addresses: Mapping[str, str] = field(default_factory=dict)
    """VIPs of any service that cannot be added to the loopback interface, with the error."""
    drain_until: float = 0.0
    leaving: bool = False
    """The agent is about to stop; the other nodes announce first (E3)."""
    stopping: bool = False
    requested: dict[str, Preference | None] = field(default_factory=dict)
    """Last route requested from ExaBGP, by VIP; None is a withdrawal. Empty at the start of a run."""
    displaced: set[str] = field(default_factory=set)
    """Owned VIPs whose registration a duplicate agent of this node has replaced (G3)."""

    @property
    def gate_open(self) -> bool:
        """Whether enough BGP neighbours are established; true if their number is unknown (E5)."""
        return self.neighbors is None or self.neighbors >= self.settings.require_bgp

    @property
    def missing(self) -> Mapping[str, str]:
        """The VIPs of this service that cannot be added to the loopback interface, with the error."""
        missing = self.missing_addresses
        return {vip: missing[vip] for vip in self.settings.pool if vip in missing}

    @property
    def able(self) -> bool:
        """Whether this node may register, and so be relied on for orphans as well."""
        return self.gate_open and not (self.missing_addresses and self.missing)

    @property
    def without_family(self) -> frozenset[str]:
        """VIPs whose address family no established neighbour has negotiated (N10)."""
        families = self.families
        if families is None:
            return frozenset()
        pools = self.settings.pool_by_version
        return frozenset().union(*(pools[version] for version in pools.keys() - families))

    @property
    def maintained(self) -> MaintenanceSeen | None:
        """The maintenance of the node or of the service; None if there is none."""
        seen = self.maintenance
        return seen if seen is not None and (seen.node or seen.service) else None

    @property
    def can_register(self) -> bool:
        """Whether nothing but flap damping keeps this node from registering the VIPs that ExaBGP accepts."""
        return self.able and self.health.state is CheckState.UP and not (self.maintained or self.leaving)

    def reconfigure(self, settings: ServiceSettings) -> None:
        """Replace the settings and keep the rest of the state."""
        self.settings = settings
        self.health.rise, self.health.fall = settings.rise, settings.fall
        self.view.settle = settings.settle

    def conflicts(self, vip: str) -> bool:
        """Return whether another agent holds the registration of an owned VIP (G3)."""
        member = self.view.members.get(vip)
        if member is None or member.claim is Claim.OURS:
            return False
        return member.claim is Claim.OTHER or vip in self.displaced

    @property
    def registered_versions(self) -> frozenset[int]:
        """The IP versions of this node's registrations, for which the other nodes rely on it."""
        owned = self.settings.owned
        return frozenset(
            ip_version(vip) for vip in owned if self.view.is_alive(vip) and not self.conflicts(vip)
        )
