"""Schedules the services' decisions: queued events and timers (A6)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from vipagent.core import events
from vipagent.engine.effects import Effect
from vipagent.engine.service import ServiceRuntime


class Scheduler:
    """Queue of events to decide on, and the services' timers."""

    def __init__(self) -> None:
        self._queue: deque[tuple[ServiceRuntime, events.Event]] = deque()
        self._collected: dict[ServiceRuntime, list[events.FromExaBGP]] = {}
        self._timers: dict[ServiceRuntime, float] = {}
        self._reannounce: dict[ServiceRuntime, None] = {}
        """Services whose routes may have new attributes, or may have moved to another service."""

    def enqueue(self, services: Iterable[ServiceRuntime], event: events.Event) -> None:
        """Queue an event for each of these services."""
        self._queue.extend((service, event) for service in services)

    def collect(self, service: ServiceRuntime, event: events.FromExaBGP) -> None:
        """Collect an event caused by ExaBGP until `enqueue_collected`, to decide once for all of them."""
        self._collected.setdefault(service, []).append(event)

    def enqueue_collected(self) -> None:
        """Queue the collected events of each service as one batch."""
        if not self._collected:
            return
        for service, collected in self._collected.items():
            self.enqueue([service], events.Batch(tuple(collected)))
        self._collected.clear()

    def reannounce(self, services: Iterable[ServiceRuntime]) -> None:
        """Request the routes of these services again after the next decisions."""
        self._reannounce.update(dict.fromkeys(services))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to decide or to request again."""
        return not (self._queue or self._reannounce)

    def run(
        self,
        now: float,
        write: Callable[[], list[Effect]],
        reports: deque[Iterable[Effect]],
        *,
        together: bool,
    ) -> Iterator[Effect]:
        """Process the queue; yield the effects for ExaBGP and the store's members.

        Args:
            now: the monotonic clock, in seconds.
            write: returns the effect that writes pending lines to ExaBGP.
            reports: receives the effects to carry out after all routes.
            together: whether all services decide before anything is written. This is always the case when a
                route may have moved to another service, as after a reload: it must not be withdrawn (E3).
        """
        together = together or bool(self._reannounce)
        registrations: list[Effect] = []
        for service, event in self._drain():
            result = service.dispatch(event, now)
            reports.append(result.reports)
            yield from result.deregistrations
            if together:
                registrations += result.registrations
            else:
                yield from write()
                yield from result.registrations
        for service in self._reannounce:
            reports.append(service.reannounce())
        self._reannounce.clear()
        yield from write()
        yield from registrations

    def enqueue_timers(self, now: float) -> None:
        """Queue `TimerFired` for the services whose timer has expired."""
        for service, at in self._timers.items():
            if now >= at:
                self.enqueue([service], events.TimerFired())

    def deadline(self) -> float | None:
        """Return the time of the next service timer; None if there is none."""
        return min(self._timers.values(), default=None)

    def _drain(self) -> Iterator[tuple[ServiceRuntime, events.Event]]:
        """Yield queued events until the queue is empty; update the service's timer after each."""
        while self._queue:
            service, event = self._queue.popleft()
            yield service, event
            if service.timer is None:
                self._timers.pop(service, None)
            else:
                self._timers[service] = service.timer
