"""History of a service's routes: log entries, and events of the node's record (Shape 4)."""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from vipagent.core import actions, events
from vipagent.engine.effects import Log
from vipagent.store.records import MAX_EVENTS, Event
from vipagent.types import RULE_BY_REASON, Reason

CAUSES: Mapping[type[events.Event], str] = {
    events.CheckFinished: "check",
    events.MembersSeen: "members",
    events.MaintenanceSeen: "maintenance",
    events.StoreChanged: "store-session",
    events.NeighborsChanged: "bgp-neighbors",
    events.TableRead: "exabgp-table",
    events.AddressesMissing: "addresses",
    events.AddressesNotLocal: "local-addresses",
    events.RouteAccepted: "exabgp-accepted",
    events.RouteRefused: "exabgp-refused",
    events.TimerFired: "timer",
    events.Reconfigured: "reload",
    events.LeaveRequested: "leave",
    events.StopRequested: "stop",
}
"""Cause of a decision, as logged and published."""


def cause_of(event: events.Event) -> str:
    """Return the cause of a decision on this event; for a batch, that of its first event."""
    return CAUSES[type(events.unbatch(event)[0])]


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class History:
    """Route changes of one service on this node since the agent's start.

    Args:
        service: name of the service.
        wall_clock: returns the current time in UTC.
    """

    def __init__(self, service: str, wall_clock: Callable[[], datetime] = utc_now) -> None:
        self._service = service
        self._wall_clock = wall_clock
        self._states: dict[str, str] = {}
        """The state of each VIP's route as of its last decision."""
        self._reported: Mapping[str, actions.VipReport] = {}
        """The VIPs of the last report."""
        self._decided: set[str] = set()
        """VIPs with a decision since the last report."""
        self._latest: deque[Event] = deque(maxlen=MAX_EVENTS)

    @property
    def latest(self) -> tuple[Event, ...]:
        """The last `MAX_EVENTS` changes, oldest first."""
        return tuple(self._latest)

    def record(self, decided: actions.Announce | actions.Withdraw, cause: events.Event) -> Log:
        """Record a decision and return its log entry.

        Withdrawals of routes that this run never announced are logged only (E2).
        """
        seen, event = self._reported.get(decided.vip), self._event(decided, cause)
        announces = isinstance(decided, actions.Announce)
        if announces or event.old:
            self._latest.append(event)
        if decided.reason is Reason.REMOVED:
            del self._states[decided.vip]
        old = event.old
        if not (announces or old):
            in_table = seen.in_table if seen else None
            if in_table is False:  # the command is only a precaution
                return self._log("not announced", event)
            old = "announced by an earlier run" if in_table else "unknown"
        return self._log("announce" if announces else "withdraw", event, old=old, new=event.new)

    def _log(self, message: str, event: Event, **change: str) -> Log:
        why = {"reason": event.reason, "rule": event.rule, "cause": event.cause}
        return Log.info(message, service=self._service, vip=event.vip, **change, **why)

    def update_reasons(self, report: actions.Report) -> None:
        """Update the reasons, which can change without the route, for example when an owner is back (H1)."""
        self._reported = report.vips
        self._decided.clear()

    def _event(self, decided: actions.Announce | actions.Withdraw, cause: events.Event) -> Event:
        rank = decided.preference.rank if isinstance(decided, actions.Announce) else None
        old, new = self._old(decided.vip), _describe(rank, decided.reason)
        self._states[decided.vip] = new
        self._decided.add(decided.vip)
        return Event(
            at=self._wall_clock().isoformat(timespec="milliseconds"),
            vip=decided.vip,
            old=old,
            new=new,
            reason=decided.reason,
            rule=RULE_BY_REASON[decided.reason],
            cause=cause_of(cause),
        )

    def _old(self, vip: str) -> str:
        """Return the state of a VIP's route with its last reason; empty if this run has not decided it."""
        state, seen = self._states.get(vip, ""), self._reported.get(vip)
        if not state or seen is None or vip in self._decided:
            return state
        return _describe(seen.rank, seen.reason)


def _describe(rank: int | None, reason: Reason) -> str:
    return f"withdrawn ({reason})" if rank is None else f"rank {rank} ({reason})"
