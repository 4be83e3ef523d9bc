"""Invariants that hold after every event (the contract's rules), independent of the core's code."""

from collections import Counter
from dataclasses import dataclass, field

from vipagent.core import actions, events
from vipagent.core.actions import (
    Action,
    Announce,
    Deregister,
    Preference,
    Publish,
    Register,
    SetTimer,
    Withdraw,
)
from vipagent.core.settings import ServiceSettings
from vipagent.types import (
    CheckResult,
    CheckState,
    Claim,
    OnStoreLoss,
    Reason,
    StoreState,
    Takeover,
)

ROUTE_ACTIONS = (Announce, Withdraw, Register, Deregister)
OWNER = Preference(0)
ROUNDING = 1e-6
"""Tolerance for rounding errors, in seconds."""


@dataclass
class Invariants:
    """Checks every decision of one core, from its start."""

    settings: ServiceSettings
    started: float
    requested: dict[str, Preference | None] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)
    _results: list[CheckResult] = field(default_factory=list)
    _check: CheckState = CheckState.STARTING
    _store: StoreState = StoreState.LOST
    _members: dict[str, Claim] = field(default_factory=dict)
    _members_read: bool = False
    _fresh: bool = False
    _since: dict[str, float] = field(default_factory=dict)
    _maintenance: events.MaintenanceSeen | None = None
    _neighbors: int | None = None
    _accepted: set[str] = field(default_factory=set)
    _leaving: bool = False
    _stopping: bool = False
    _drained_at: float = 0.0
    _could_serve: bool = False
    _serving_since: float = 0.0
    _losses: int = 0
    """How often the node ceased to be able to serve."""
    _refusals: Counter[str] = field(default_factory=Counter)
    """How often an accepted route was refused later, by VIP."""
    _timer: float = float("inf")

    def check_event(self, event: events.Event, todo: list[Action], now: float) -> None:
        """Check one event and the resulting actions."""
        before, overdue = dict(self.requested), now >= self._timer
        for part in events.unbatch(event):
            self._observe(part, now)
        self._count_losses(now)
        for action in todo:
            self._check_action(action, now, before)
        _check_published(todo)
        if not overdue:
            self._check_store_loss(event, todo)
        self._check_owned_announced(now)
        self._check_withdrawn()
        self._check_registrations()

    def _observe(self, event: events.Event, now: float) -> None:
        match event:
            case events.CheckFinished(result):
                self._observe_result(result)
            case events.StoreChanged(state):
                self._store, self._fresh = state, self._fresh and state is StoreState.CONNECTED
            case events.MembersSeen(seen) if self._store is StoreState.CONNECTED:
                self._members = {vip: member.claim for vip, member in seen.items()}
                self._since = {vip: self._since.get(vip, now) for vip in seen}
                self._members_read = self._fresh = True
            case events.MaintenanceSeen():
                self._observe_maintenance(event, now)
            case events.NeighborsChanged(established):
                self._neighbors = established
            case events.RouteAccepted(vip):
                self._accepted.add(vip)
            case events.RouteRefused(vip):
                self._refusals[vip] += vip in self._accepted
                self._accepted.discard(vip)
            case events.Reconfigured(settings):
                self.settings = settings
            case events.LeaveRequested() | events.StopRequested():
                self._leaving, self._stopping = True, isinstance(event, events.StopRequested)

    def _observe_maintenance(self, seen: events.MaintenanceSeen, now: float) -> None:
        drained_before = self._maintenance is not None and self._maintenance.node
        if seen.now:
            self._drained_at = now
        elif seen.node and not drained_before:
            self._drained_at = now + self.settings.drain_delay
        self._maintenance = seen

    def _observe_result(self, result: CheckResult) -> None:
        self._results.append(result)
        if result is CheckResult.DISABLED:
            self._check = CheckState.DISABLED
        elif set(self._results[-self.settings.rise :]) == {CheckResult.GOOD} and self._has_results(
            self.settings.rise
        ):
            self._check = CheckState.UP
        elif set(self._results[-self.settings.fall :]) == {CheckResult.BAD} and self._has_results(
            self.settings.fall
        ):
            self._check = CheckState.DOWN
        elif self._check is CheckState.DISABLED:
            self._check = CheckState.STARTING

    def _has_results(self, count: int) -> bool:
        return len(self._results) >= count

    def _check_action(self, action: Action, now: float, before: dict[str, Preference | None]) -> None:
        match action:
            case Announce(vip, preference, reason):
                assert vip in self.settings.pool, "A5: prefix is not configured"
                assert reason is not Reason.FLAP_HOLD or self._may_be_held(now), "H4: held without flaps"
                assert vip not in self.registered or preference == OWNER, "H2: deregister first"
                assert self._check is CheckState.UP, "H4: announced before `rise` successful checks"
                assert (vip in self.settings.owned) == (preference.rank == 0) or preference.draining, "A3"
                self.requested[vip] = preference
            case Withdraw(vip, reason):
                assert vip in self.settings.pool or reason is Reason.REMOVED, "A5: prefix is not configured"
                assert vip not in self.registered or self._is_stale(vip), "G2: deregister first"
                if before.get(vip) and vip not in self.settings.owned and reason is Reason.STANDBY:
                    self._check_hand_back(vip, now)
                if before.get(vip) and reason is Reason.MAINTENANCE_NODE:
                    assert now + ROUNDING >= self._drained_at, "H2: withdrawn before the drain delay"
                self.requested[vip] = None
                self._accepted.discard(vip)
                if reason is Reason.REMOVED:
                    del self.requested[vip]
            case Register(vip):
                assert vip not in self.registered
                self.registered.add(vip)
            case Deregister(vip):
                assert vip in self.registered
                self.registered.discard(vip)
            case SetTimer(at):
                self._timer = float("inf") if at is None else at

    def _check_hand_back(self, vip: str, now: float) -> None:
        """Check that the owner, or with `one` an earlier candidate, was registered for long enough (H1)."""
        assert self._fresh, "H1, L1: handed back without a current snapshot"
        settings = self.settings
        owner_registered = self._registered_for(vip, now) >= settings.release_delay
        if settings.takeover is Takeover.ONE:
            min_age = settings.settle + settings.release_delay
            assert owner_registered or any(
                self._registered_for(candidate, now) >= min_age for candidate in self._members
            ), "H1"
        else:
            assert owner_registered, "H1: handed back too early"

    def _registered_for(self, vip: str, now: float) -> float:
        return now - self._since[vip] + ROUNDING if vip in self._members else -1.0

    def _check_store_loss(self, event: events.Event, todo: list[Action]) -> None:
        if not isinstance(event, events.StoreChanged) or event.state is StoreState.CONNECTED:
            return
        if event.state is StoreState.LOST and self.settings.on_store_loss is OnStoreLoss.WITHDRAW:
            return
        for action in todo:
            if self.settings.on_store_loss is OnStoreLoss.OWN and isinstance(action, Withdraw):
                assert action.vip not in self.settings.owned, "L1: own VIP withdrawn on store loss"
            else:
                assert not isinstance(action, ROUTE_ACTIONS), f"L1: {action} on store loss"

    def _check_owned_announced(self, now: float) -> None:
        maintenance = self._maintenance
        read = self._members_read and maintenance is not None
        if self._stopping or self._leaving or self._check is not CheckState.UP:
            return
        if not read and now <= self.started + self.settings.start_grace:
            return
        if maintenance is not None and (maintenance.service or maintenance.node):
            return
        if self.settings.on_store_loss is OnStoreLoss.WITHDRAW and not self._fresh:
            return
        for vip in self.settings.owned:
            claim = self._members.get(vip, Claim.OURS)
            if claim is Claim.OURS or self._is_stale(vip):
                requested = self.requested.get(vip)
                held = requested is not None and self._may_be_held(now)
                assert requested == OWNER or held, f"A1, H4: {vip} is not announced"
            elif claim is Claim.OTHER:
                assert self.requested.get(vip) != OWNER, (
                    f"G3: {vip} is announced, but registered by another node"
                )

    def _count_losses(self, now: float) -> None:
        """Count how often the node ceased to be able to serve, for whatever reason.

        Refused routes are counted by VIP (`_refusals`): each lost registration is a loss, too (H4).
        """
        maintenance = self._maintenance
        out = maintenance is not None and (maintenance.service or maintenance.node)
        closed = self._neighbors is not None and self._neighbors < self.settings.require_bgp
        can_serve = self._check is CheckState.UP and not (out or closed or self._leaving)
        if can_serve and not self._could_serve:
            self._serving_since = now
        self._losses += self._could_serve and not can_serve
        self._could_serve = can_serve

    def _may_be_held(self, now: float) -> bool:
        """Return whether the node may announce its VIPs at the lowest rank because it flapped (H4)."""
        hold = self.settings.flap_hold
        held = now < self._serving_since + hold.seconds + ROUNDING or now >= self._timer
        losses = self._losses + max(self._refusals.values(), default=0)
        return bool(hold.seconds) and losses >= hold.count and self._could_serve and held

    def _check_withdrawn(self) -> None:
        if self._stopping or (self._maintenance is not None and self._maintenance.service):
            assert not any(self.requested.values()), "H5, E3: announced in maintenance or after the stop"
            assert self._check is CheckState.STARTING or set(self.requested) == set(self.settings.pool), "E2"
        if self._check in {CheckState.DOWN, CheckState.DISABLED}:
            assert not any(self.requested.values()), "H3: announced with a failed check"

    @property
    def served(self) -> set[str]:
        """The registered VIPs without stale registrations, which are replaced only to delete them (G3)."""
        return {vip for vip in self.registered if self.requested.get(vip) or not self._is_stale(vip)}

    def _is_stale(self, vip: str) -> bool:
        return self._members.get(vip) is Claim.EARLIER_RUN

    def _check_registrations(self) -> None:
        for vip in self.served:
            assert vip in self.settings.owned, "G1: not an own VIP"
            assert self.requested.get(vip) == OWNER, "G2: registered, but not announced"
            assert vip in self._accepted, "G1: registered before ExaBGP accepted the route"
            assert not self._leaving, "E3: registered during shutdown"
        if self.served and self._neighbors is not None:
            assert self._neighbors >= self.settings.require_bgp, "E5: registered with a closed BGP gate"


def visible_actions(todo: list[Action]) -> list[Action]:
    """Return the actions that are visible to the network or the store."""
    return [action for action in todo if isinstance(action, (*ROUTE_ACTIONS, actions.RunHook))]


def _check_published(todo: list[Action]) -> None:
    """Check that each decision about routes is followed by one publication of the node's record (Shape 5)."""
    routes = [index for index, action in enumerate(todo) if isinstance(action, Announce | Withdraw)]
    published = [index for index, action in enumerate(todo) if isinstance(action, Publish)]
    assert not routes or [routes[-1] < index for index in published] == [True], "Shape 5: not published"
