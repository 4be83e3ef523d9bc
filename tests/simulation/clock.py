"""Virtual time: what is due next happens next, and nothing takes any time."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Alarm:
    """A call at a time; those of one time go in the order in which they were set."""

    at: float
    call: Callable[[], None] | None

    def cancel(self) -> None:
        """Never call."""
        self.call = None


class Clock:
    """The time, in seconds, and what is due later."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._count = 0

    def at(self, when: float, call: Callable[[], None]) -> Alarm:
        """Call back at a time; one that has passed is now."""
        self._count += 1
        alarm = Alarm(max(when, self.now), call)
        heapq.heappush(self._alarms, (alarm.at, self._count, alarm))
        return alarm

    def after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        """Call back in so many seconds."""
        return self.at(self.now + seconds, call)

    def take(self, until: float) -> Callable[[], None] | None:
        """Move on to the next call that is due by then, and return it; or to then, if there is none."""
        while self._alarms and self._alarms[0][0] <= until:
            when, _, alarm = heapq.heappop(self._alarms)
            if alarm.call is not None:
                self.now = when
                return alarm.call
        self.now = until
        return None
