"""What became of a service's routes, and why: lines of the log, and events of the node's record (Shape 5)."""

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from vipagent.core import actions, events
from vipagent.core.words import RULES, Reason
from vipagent.store.records import MAX_EVENTS, Event

log = logging.getLogger(__name__)

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


class History:
    """The decisions of one service on this node since the agent's start.

    Args:
        service: its name.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._states: dict[str, str] = {}
        self._latest: deque[Event] = deque(maxlen=MAX_EVENTS)

    @property
    def latest(self) -> tuple[Event, ...]:
        """The last `MAX_EVENTS` changes, the latest one last."""
        return tuple(self._latest)

    def note(self, decided: actions.Announce | actions.Withdraw, cause: events.Event) -> None:
        """Log a decision; keep it, unless it withdraws what this run has never announced (E2)."""
        event = self._event(decided, cause)
        announces = isinstance(decided, actions.Announce)
        if announces or event.old:
            self._latest.append(event)
        if decided.reason is Reason.REMOVED:
            del self._states[decided.vip]
        fields = {name: value for name, value in asdict(event).items() if name != "at"}
        said = {"service": self._service, **fields}
        log.info("announce" if announces else "withdraw", extra={"fields": said})

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
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            vip=decided.vip,
            old=old,
            new=new,
            reason=decided.reason,
            rule=RULES[decided.reason],
            cause=CAUSES[type(cause)],
        )


def _words(rank: int | None, reason: Reason) -> str:
    return f"withdrawn ({reason})" if rank is None else f"rank {rank} ({reason})"
