"""Virtual time: what is due next happens next, and nothing takes any time."""

import heapq
from collections.abc import Callable, Iterator
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
        return self._set(when if when > self.now else self.now, call)

    def after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        """Call back in so many seconds, or now."""
        return self._set(self.now + seconds if seconds > 0 else self.now, call)

    def _set(self, when: float, call: Callable[[], None]) -> Alarm:
        self._count += 1
        alarm = Alarm(when, call)
        heapq.heappush(self._alarms, (when, self._count, alarm))
        return alarm

    def calls(self, until: float) -> Iterator[Callable[[], None]]:
        """Move on to each call that is due by then, and yield it; in the end, move on to then."""
        alarms = self._alarms
        while alarms and alarms[0][0] <= until:
            self.now, _, alarm = heapq.heappop(alarms)
            if alarm.call is not None:
                yield alarm.call
        self.now = until
