"""L3, and how often a node changes its mind, told without the core's words for it."""

from dataclasses import dataclass, field

from vipagent.core import events
from vipagent.core.actions import Action, Announce, Withdraw
from vipagent.core.settings import ServiceSettings
from vipagent.types import Reason, StoreState, Takeover


@dataclass
class Settling:
    """Watches that nothing is taken over while others may be on their way back (L3)."""

    settings: ServiceSettings
    _connected: bool = False
    _read: bool = False
    """Whether the members were read since the (re)connection."""
    _members: frozenset[str] = frozenset()
    _orphans: frozenset[str] = frozenset()
    """The VIPs that were orphans before, beyond doubt."""
    _settled_at: float = float("inf")
    _maintenance: bool = False

    def saw(self, event: events.Event, todo: list[Action], now: float) -> None:
        """Check one event and what the core made of it."""
        match event:
            case events.StoreChanged(state):
                self._take(state, now)
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
                assert settled or action.vip in self._orphans, f"L3: {action.vip} is taken over too early"

    def _take(self, state: StoreState, now: float) -> None:
        self._connected = state is StoreState.CONNECTED
        if not self._connected and self._read:
            orphans = frozenset(self.settings.pool) - self._members
            self._orphans = orphans if now >= self._settled_at else self._orphans & orphans
            self._read = False


@dataclass
class Moves:
    """Counts how often a node takes a VIP and gives it back, and what it could have had for a reason.

    A member that comes or goes is a reason for its own VIP, and with `one` for any; a change of this node's
    own state (check, maintenance, gate, session) is a reason for all.
    """

    settings: ServiceSettings
    _members: frozenset[str] | None = None
    _own: int = 0
    _of: dict[str, int] = field(default_factory=dict)
    _moves: dict[str, int] = field(default_factory=dict)
    _announced: set[str] = field(default_factory=set)
    _last: dict[type, events.Event] = field(default_factory=dict)

    def saw(self, event: events.Event, todo: list[Action], _now: float) -> None:
        """Check one event and what the core made of it."""
        for one in events.unbatch(event):
            self._learn(one)
        for action in todo:
            if isinstance(action, Announce) and action.vip not in self._announced:
                self._announced.add(action.vip)
                self._moved(action.vip)
            elif isinstance(action, Withdraw) and action.vip in self._announced:
                self._announced.discard(action.vip)
                self._moved(action.vip)

    def _learn(self, event: events.Event) -> None:
        match event:
            case events.MembersSeen(members):
                self._seen(frozenset(members))
            case events.RouteAccepted() | events.RouteRefused() | events.TimerFired():
                pass
            case _:
                self._own += self._last.get(type(event)) != event
                self._last[type(event)] = event

    def _seen(self, members: frozenset[str]) -> None:
        for vip in members ^ (self._members or frozenset()):
            self._of[vip] = self._of.get(vip, 0) + 1
        self._own += self._members is None
        self._members = members

    def _moved(self, vip: str) -> None:
        self._moves[vip] = self._moves.get(vip, 0) + 1
        one = self.settings.takeover is Takeover.ONE
        causes = self._own + (sum(self._of.values()) if one else self._of.get(vip, 0))
        assert self._moves[vip] <= causes, (
            f"{vip} has moved {self._moves[vip]} times, for {causes} reasons at most"
        )
