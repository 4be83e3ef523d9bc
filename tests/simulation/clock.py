"""Virtual time: calls run in the order of their times, and take no time."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class ScheduledCall:
    """A scheduled call. Calls for the same time run in the order in which they were scheduled."""

    at: float
    call: Callable[[], None] | None

    def cancel(self) -> None:
        """Cancel the call."""
        self.call = None


class Clock:
    """The current time and the scheduled calls.

    Args:
        now: the start time, in seconds.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._calls: list[tuple[float, int, ScheduledCall]] = []
        self._count = 0

    def at(self, when: float, call: Callable[[], None]) -> ScheduledCall:
        """Schedule a call at a time; a time in the past means now."""
        return self._schedule(when if when > self.now else self.now, call)

    def after(self, seconds: float, call: Callable[[], None]) -> ScheduledCall:
        """Schedule a call after a delay in seconds; a negative delay means now."""
        return self._schedule(self.now + seconds if seconds > 0 else self.now, call)

    def _schedule(self, when: float, call: Callable[[], None]) -> ScheduledCall:
        self._count += 1
        scheduled = ScheduledCall(when, call)
        heapq.heappush(self._calls, (when, self._count, scheduled))
        return scheduled

    def calls(self, until: float) -> Iterator[Callable[[], None]]:
        """Advance to each scheduled call and yield it; finally advance to `until`."""
        calls = self._calls
        while calls and calls[0][0] <= until:
            self.now, _, scheduled = heapq.heappop(calls)
            if scheduled.call is not None:
                yield scheduled.call
        self.now = until
