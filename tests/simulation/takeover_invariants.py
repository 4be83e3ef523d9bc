"""Invariants of takeovers: settle time (L3) and number of moves, independent of the core's code."""

from dataclasses import dataclass, field

from vipagent.core import events
from vipagent.core.actions import Action, Announce, Withdraw
from vipagent.core.settings import ServiceSettings
from vipagent.types import Reason, StoreState, Takeover


@dataclass
class SettleInvariant:
    """Checks that no VIP is taken over while its owner may be reconnecting (L3)."""

    settings: ServiceSettings
    _connected: bool = False
    _read: bool = False
    """Whether the members were read since the last (re)connection."""
    _members: frozenset[str] = frozenset()
    _orphans: frozenset[str] = frozenset()
    """The VIPs that were orphans before the connection was lost."""
    _settled_at: float = float("inf")
    _maintenance: bool = False

    def check_event(self, event: events.Event, todo: list[Action], now: float) -> None:
        """Check one event and the resulting actions."""
        match event:
            case events.StoreChanged(state):
                self._store_changed(state, now)
            case events.MembersSeen(members) if self._connected:
                if not self._read:
                    self._read, self._settled_at = True, now + self.settings.settle
                self._members = frozenset(members)
            case events.MaintenanceSeen():
                if self._maintenance and not event.service:
                    self._orphans, self._settled_at = frozenset(), now + self.settings.settle
                self._maintenance = event.service
        for action in todo:
            if isinstance(action, Announce) and action.reason is Reason.TAKEOVER:
                settled = self._read and now >= self._settled_at
                assert settled or action.vip in self._orphans, f"L3: {action.vip} was taken over too early"

    def _store_changed(self, state: StoreState, now: float) -> None:
        self._connected = state is StoreState.CONNECTED
        if not self._connected and self._read:
            orphans = frozenset(self.settings.pool) - self._members
            self._orphans = orphans if now >= self._settled_at else self._orphans & orphans
            self._read = False


@dataclass
class MoveLimit:
    """Checks that a VIP moves to or from a node at most once per cause.

    A change to a member is a cause for its own VIP, and with `one` for every VIP. A change of the node's
    state (check, maintenance, BGP gate, session) is a cause for every VIP.
    """

    settings: ServiceSettings
    _members: frozenset[str] | None = None
    _node_causes: int = 0
    _vip_causes: dict[str, int] = field(default_factory=dict)
    _moves: dict[str, int] = field(default_factory=dict)
    _announced: set[str] = field(default_factory=set)
    _last: dict[type, events.Event] = field(default_factory=dict)

    def check_event(self, event: events.Event, todo: list[Action], _now: float) -> None:
        """Check one event and the resulting actions."""
        for part in events.unbatch(event):
            self._observe(part)
        for action in todo:
            if isinstance(action, Announce) and action.vip not in self._announced:
                self._announced.add(action.vip)
                self._moved(action.vip)
            elif isinstance(action, Withdraw) and action.vip in self._announced:
                self._announced.discard(action.vip)
                self._moved(action.vip)

    def _observe(self, event: events.Event) -> None:
        match event:
            case events.MembersSeen(members):
                self._seen(frozenset(members))
            case events.RouteAccepted() | events.RouteRefused() | events.TimerFired():
                pass
            case _:
                self._node_causes += self._last.get(type(event)) != event
                self._last[type(event)] = event

    def _seen(self, members: frozenset[str]) -> None:
        for vip in members ^ (self._members or frozenset()):
            self._vip_causes[vip] = self._vip_causes.get(vip, 0) + 1
        self._node_causes += self._members is None
        self._members = members

    def _moved(self, vip: str) -> None:
        self._moves[vip] = self._moves.get(vip, 0) + 1
        any_member = self.settings.takeover is Takeover.ONE
        causes = self._node_causes + (
            sum(self._vip_causes.values()) if any_member else self._vip_causes.get(vip, 0)
        )
        assert self._moves[vip] <= causes, (
            f"{vip} moved {self._moves[vip]} times, with at most {causes} causes"
        )
