"""What must hold after every event, whatever happened before: the contract, told without the core."""

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

ROUTE_WORDS = (Announce, Withdraw, Register, Deregister)
OWNER = Preference(0)
ROUNDING = 1e-6
"""Seconds."""


@dataclass
class Oracle:
    """Watches one life of one core."""

    settings: ServiceSettings
    started: float
    wished: dict[str, Preference | None] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)
    _results: list[CheckResult] = field(default_factory=list)
    _check: CheckState = CheckState.STARTING
    _store: StoreState = StoreState.LOST
    _members: dict[str, Claim] = field(default_factory=dict)
    _members_read: bool = False
    _fresh: bool = False
    _since: dict[str, float] = field(default_factory=dict)
    _ever_ours: set[str] = field(default_factory=set)
    _maintenance: events.MaintenanceSeen | None = None
    _neighbors: int | None = None
    _accepted: set[str] = field(default_factory=set)
    _leaving: bool = False
    _stopping: bool = False
    _drained_at: float = 0.0
    _timer: float = float("inf")

    def saw(self, event: events.Event, todo: list[Action], now: float) -> None:
        """Check one event and what the core made of it."""
        before, overdue = dict(self.wished), now >= self._timer
        for one in events.unbatch(event):
            self._learn(one, now)
        for action in todo:
            self._follow(action, now, before)
        _what_changes_a_route_is_published(todo)
        if not overdue:
            self._loss_of_the_store_changes_nothing(event, todo)
        self._own_vip_is_announced(now)
        self._nothing_is_announced_in_maintenance()
        self._registered_means_served()

    def _learn(self, event: events.Event, now: float) -> None:
        match event:
            case events.CheckFinished(result):
                self._count(result)
            case events.StoreChanged(state):
                self._store, self._fresh = state, self._fresh and state is StoreState.CONNECTED
            case events.MembersSeen(seen) if self._store is StoreState.CONNECTED:
                self._members = {vip: member.claim for vip, member in seen.items()}
                self._ever_ours |= {vip for vip, claim in self._members.items() if claim is Claim.OURS}
                self._since = {vip: self._since.get(vip, now) for vip in seen}
                self._members_read = self._fresh = True
            case events.MaintenanceSeen():
                self._take_maintenance(event, now)
            case events.NeighborsChanged(established):
                self._neighbors = established
            case events.RouteAccepted(vip) | events.RouteRefused(vip):
                (self._accepted.add if isinstance(event, events.RouteAccepted) else self._accepted.discard)(
                    vip
                )
            case events.Reconfigured(settings):
                self.settings = settings
            case events.LeaveRequested() | events.StopRequested():
                self._leaving, self._stopping = True, isinstance(event, events.StopRequested)

    def _take_maintenance(self, seen: events.MaintenanceSeen, now: float) -> None:
        drained_before = self._maintenance is not None and self._maintenance.node
        if seen.now:
            self._drained_at = now
        elif seen.node and not drained_before:
            self._drained_at = now + self.settings.drain_delay
        self._maintenance = seen

    def _count(self, result: CheckResult) -> None:
        self._results.append(result)
        if result is CheckResult.DISABLED:
            self._check = CheckState.DISABLED
        elif set(self._results[-self.settings.rise :]) == {CheckResult.GOOD} and self._enough(
            self.settings.rise
        ):
            self._check = CheckState.UP
        elif set(self._results[-self.settings.fall :]) == {CheckResult.BAD} and self._enough(
            self.settings.fall
        ):
            self._check = CheckState.DOWN
        elif self._check is CheckState.DISABLED:
            self._check = CheckState.STARTING

    def _enough(self, count: int) -> bool:
        return len(self._results) >= count

    def _follow(self, action: Action, now: float, before: dict[str, Preference | None]) -> None:
        match action:
            case Announce(vip, preference):
                assert vip in self.settings.pool, "A5: a prefix that is not configured"
                assert vip not in self.registered or preference == OWNER, "H2: deregister first"
                assert self._check is CheckState.UP, "H4: nothing before `rise` good checks"
                assert (vip in self.settings.owned) == (preference.rank == 0) or preference.draining, "A3"
                self.wished[vip] = preference
            case Withdraw(vip, reason):
                assert vip in self.settings.pool or reason is Reason.REMOVED, (
                    "A5: a prefix that is not configured"
                )
                assert vip not in self.registered or self._is_left(vip), "G2: deregister first"
                if before.get(vip) and vip not in self.settings.owned and reason is Reason.STANDBY:
                    self._may_give_up(vip, now)
                if before.get(vip) and reason is Reason.MAINTENANCE_NODE:
                    assert now + ROUNDING >= self._drained_at, "H2: withdrawn before it is drained"
                self.wished[vip] = None
                self._accepted.discard(vip)
                if reason is Reason.REMOVED:
                    del self.wished[vip]
            case Register(vip):
                assert vip not in self.registered
                self.registered.add(vip)
            case Deregister(vip):
                assert vip in self.registered
                self.registered.discard(vip)
            case SetTimer(at):
                self._timer = float("inf") if at is None else at

    def _may_give_up(self, vip: str, now: float) -> None:
        """H1: only after its owner, or with `one` a taker before us, has been there for long enough."""
        assert self._fresh, "H1, L1: given up on an old view"
        settings = self.settings
        owner_is_back = self._lived(vip, now) >= settings.release_delay
        if settings.takeover is Takeover.ONE:
            surely = settings.settle + settings.release_delay
            assert owner_is_back or any(self._lived(taker, now) >= surely for taker in self._members), "H1"
        else:
            assert owner_is_back, "H1: given up too early"

    def _lived(self, vip: str, now: float) -> float:
        return now - self._since[vip] + ROUNDING if vip in self._members else -1.0

    def _loss_of_the_store_changes_nothing(self, event: events.Event, todo: list[Action]) -> None:
        if not isinstance(event, events.StoreChanged) or event.state is StoreState.CONNECTED:
            return
        if event.state is StoreState.LOST and self.settings.on_store_loss is OnStoreLoss.WITHDRAW:
            return
        for action in todo:
            if self.settings.on_store_loss is OnStoreLoss.OWN and isinstance(action, Withdraw):
                assert action.vip not in self.settings.owned, "L1: the own VIP stays"
            else:
                assert not isinstance(action, ROUTE_WORDS), f"L1: {action} because the store is away"

    def _own_vip_is_announced(self, now: float) -> None:
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
            if claim is Claim.OURS or self._is_left(vip):
                assert self.wished.get(vip) == OWNER, f"A1: {vip} is not announced"
            elif claim is Claim.OTHER:
                assert self.wished.get(vip) != OWNER, f"G3: {vip} is announced, though somebody else holds it"

    def _nothing_is_announced_in_maintenance(self) -> None:
        if self._stopping or (self._maintenance is not None and self._maintenance.service):
            assert not any(self.wished.values()), "H5, E3: announced in maintenance or after the stop"
            assert self._check is CheckState.STARTING or set(self.wished) == set(self.settings.pool), "E2"
        if self._check in {CheckState.DOWN, CheckState.DISABLED}:
            assert not any(self.wished.values()), "H3: announced with a failed check"

    @property
    def served(self) -> set[str]:
        """The registered VIPs without those that an earlier run left, which are made ours only to go (G3)."""
        return {vip for vip in self.registered if self.wished.get(vip) or not self._is_left(vip)}

    def _is_left(self, vip: str) -> bool:
        return self._members.get(vip) is Claim.SAME_NODE and vip not in self._ever_ours

    def _registered_means_served(self) -> None:
        for vip in self.served:
            assert vip in self.settings.owned, "G1: not ours"
            assert self.wished.get(vip) == OWNER, "G2: registered, but not announced"
            assert vip in self._accepted, "G1: registered before ExaBGP has accepted the route"
            assert not self._leaving, "E3: registered on the way out"
        if self.served and self._neighbors is not None:
            assert self._neighbors >= self.settings.require_bgp, "E5: registered with the gate closed"


def touches_routes(todo: list[Action]) -> list[Action]:
    """Return those actions that the network or the store would notice."""
    return [action for action in todo if isinstance(action, (*ROUTE_WORDS, actions.RunHook))]


def _what_changes_a_route_is_published(todo: list[Action]) -> None:
    """Shape 5: the node's record has the decision, so it is written after each one, and once."""
    routes = [index for index, action in enumerate(todo) if isinstance(action, Announce | Withdraw)]
    published = [index for index, action in enumerate(todo) if isinstance(action, Publish)]
    assert not routes or [routes[-1] < index for index in published] == [True], "Shape 5: not published"
