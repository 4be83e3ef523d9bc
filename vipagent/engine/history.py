"""What became of a service's routes, and why: lines of the log, and events of the node's record (Shape 4)."""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from vipagent.core import actions, events
from vipagent.engine.effects import Log
from vipagent.store.records import MAX_EVENTS, Event
from vipagent.types import RULES, Reason

CAUSES: Mapping[type[events.Event], str] = {
    events.Checked: "check",
    events.MembersSeen: "members",
    events.MaintenanceSeen: "maintenance",
    events.StoreChanged: "store-session",
    events.NeighborsChanged: "bgp-neighbors",
    events.AddressesMissing: "addresses",
    events.RouteAccepted: "exabgp-accepted",
    events.RouteRefused: "exabgp-refused",
    events.TimerFired: "timer",
    events.Reconfigured: "reload",
    events.LeaveAsked: "leave",
    events.StopAsked: "stop",
}
"""The word for what led to a decision."""


def cause_of(event: events.Event) -> str:
    """Return the word for an event; of several at once, the first stands for all."""
    return CAUSES[type(events.each(event)[0])]


def utc_now() -> datetime:
    """Return the time by the node's own clock."""
    return datetime.now(UTC)


class History:
    """The decisions of one service on this node since the agent's start.

    Args:
        service: its name.
        wall_clock: tells the time of day, in UTC, for people.
    """

    def __init__(self, service: str, wall_clock: Callable[[], datetime] = utc_now) -> None:
        self._service = service
        self._wall_clock = wall_clock
        self._states: dict[str, str] = {}
        self._latest: deque[Event] = deque(maxlen=MAX_EVENTS)

    @property
    def latest(self) -> tuple[Event, ...]:
        """The last `MAX_EVENTS` changes, the latest one last."""
        return tuple(self._latest)

    def note(self, decided: actions.Announce | actions.Withdraw, cause: events.Event) -> Log:
        """Keep a decision, unless it withdraws what this run never announced (E2); return the log's line."""
        event = self._event(decided, cause)
        announces = isinstance(decided, actions.Announce)
        if announces or event.old:
            self._latest.append(event)
        if decided.reason is Reason.REMOVED:
            del self._states[decided.vip]
        return Log.info(
            "announce" if announces else "withdraw",
            service=self._service,
            vip=event.vip,
            old=event.old,
            new=event.new,
            reason=event.reason,
            rule=event.rule,
            cause=event.cause,
        )

    def follow(self, report: actions.Report) -> None:
        """Keep the reasons up to date: they change without the route, as when an owner is back (H1)."""
        for vip in self._states.keys() & report.vips.keys():
            seen = report.vips[vip]
            self._states[vip] = _words(seen.rank, seen.reason)

    def _event(self, decided: actions.Announce | actions.Withdraw, cause: events.Event) -> Event:
        rank = decided.preference.rank if isinstance(decided, actions.Announce) else None
        old, new = self._states.get(decided.vip, ""), _words(rank, decided.reason)
        self._states[decided.vip] = new
        return Event(
            at=self._wall_clock().isoformat(timespec="milliseconds"),
            vip=decided.vip,
            old=old,
            new=new,
            reason=decided.reason,
            rule=RULES[decided.reason],
            cause=cause_of(cause),
        )


def _words(rank: int | None, reason: Reason) -> str:
    return f"withdrawn ({reason})" if rank is None else f"rank {rank} ({reason})"
