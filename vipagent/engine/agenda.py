"""What the services have still to decide by, and when they want to decide again whatever happens (A6)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from vipagent.core import events
from vipagent.engine.effects import Effect
from vipagent.engine.service import ServiceRuntime


class Agenda:
    """Events that wait for a decision, in order, and the services' timers."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[ServiceRuntime, events.Event]] = deque()
        self._told: dict[ServiceRuntime, list[events.FromExaBGP]] = {}
        self._timers: dict[ServiceRuntime, float] = {}
        self._reannounce: dict[ServiceRuntime, None] = {}
        """Those whose routes may look different now, or have another service."""

    def add(self, services: Iterable[ServiceRuntime], event: events.Event) -> None:
        """Let services decide by an event, each for itself."""
        self._waiting.extend((service, event) for service in services)

    def tell(self, service: ServiceRuntime, event: events.FromExaBGP) -> None:
        """Keep what ExaBGP has said until `gather`: a decision costs more than a line."""
        self._told.setdefault(service, []).append(event)

    def gather(self) -> None:
        """Let each service decide, once, by all that ExaBGP has said."""
        for service, said in self._told.items():
            self.add([service], events.Batch(tuple(said)))
        self._told.clear()

    def reannounce(self, services: Iterable[ServiceRuntime]) -> None:
        """Ask once more for what these services announce, when all have decided."""
        self._reannounce.update(dict.fromkeys(services))

    def decide(
        self,
        now: float,
        write: Callable[[], list[Effect]],
        reports: deque[Iterable[Effect]],
        *,
        together: bool,
    ) -> Iterator[Effect]:
        """Let the services decide, and yield what follows for ExaBGP and the store's members.

        Args:
            now: the monotonic clock, in seconds.
            write: writes the lines that can be written.
            reports: gets what is reported.
            together: whether all have to decide before anything is written. So they have where a route may
                belong to another service now, as after a reload: what stays is not withdrawn (E3).
        """
        together = together or bool(self._reannounce)
        registrations: list[Effect] = []
        for service, event in self._take():
            decision = service.dispatch(event, now)
            reports.append(decision.reports)
            yield from decision.deregistrations
            if together:
                registrations += decision.registrations
            else:
                yield from write()
                yield from decision.registrations
        for service in self._reannounce:
            reports.append(service.reannounce())
        self._reannounce.clear()
        yield from write()
        yield from registrations

    def add_timers(self, now: float) -> None:
        """Let those services decide whose time has come."""
        for service, at in self._timers.items():
            if now >= at:
                self.add([service], events.TimerFired())

    def deadline(self) -> float | None:
        """Return when the first of the services wants to decide."""
        return min(self._timers.values(), default=None)

    def _take(self) -> Iterator[tuple[ServiceRuntime, events.Event]]:
        """Yield what waits, until nothing does; between two of them the service's timer is noted."""
        while self._waiting:
            service, event = self._waiting.popleft()
            yield service, event
            if service.timer is None:
                self._timers.pop(service, None)
            else:
                self._timers[service] = service.timer
