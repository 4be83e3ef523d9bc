"""Simulated health check of one machine."""

from collections.abc import Callable

from tests.simulation.clock import Clock, ScheduledCall
from tests.simulation.impairments import Impairment, Impairments
from vipagent.core.settings import ServiceSettings
from vipagent.types import CheckResult

RESULT_INTERVAL = 0.5
"""Seconds between two results; no more are sent once they cannot change the check's state."""


class LocalCheck:
    """Sends results after each change until the core must have reached the right state.

    Args:
        settings: the settings of the service, with `rise` and `fall`.
        clock: the virtual time.
        impairments: the impairments of the machine.
        on_result: sends a result to the core; returns whether an agent is running.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        clock: Clock,
        impairments: Impairments,
        on_result: Callable[[CheckResult], bool],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._impairments = impairments
        self._on_result = on_result
        self._failures: list[CheckResult] = []
        self._last = CheckResult.GOOD
        self._streak = 0
        self._scheduled: ScheduledCall | None = None
        self.down_since: float | None = None
        """Since when the agent knows that the service has failed; None: it does not, or a check succeeded."""

    @property
    def result(self) -> CheckResult:
        """The current result."""
        return self._failures[-1] if self._failures else CheckResult.GOOD

    def fail(self, failure: CheckResult) -> None:
        """Add a failure."""
        self._failures.append(failure)
        self._impairments.add(Impairment.CHECK, self._clock.now)
        self.schedule()

    def recover(self, failure: CheckResult) -> None:
        """Remove a failure; others may remain."""
        self._failures.remove(failure)
        self.schedule()

    def restart(self) -> None:
        """Restart for a new agent."""
        self._streak, self.down_since = 0, None
        self._impairments.add(Impairment.CHECK, self._clock.now)
        self.schedule()

    def schedule(self) -> None:
        """Schedule the next result."""
        if self._scheduled is None:
            self._scheduled = self._clock.after(RESULT_INTERVAL, self._run)

    def _run(self) -> None:
        self._scheduled = None
        result = self.result
        if not self._on_result(result):
            return
        self._streak = self._streak + 1 if result is self._last else 1
        self._last = result
        if result is CheckResult.GOOD:
            self.down_since = None
        elif self._streak >= self._settings.fall and self.down_since is None:
            self.down_since = self._clock.now
        if result is CheckResult.GOOD and self._streak >= self._settings.rise:
            self._impairments.clear(Impairment.CHECK, self._clock.now)
        if self._streak < max(self._settings.rise, self._settings.fall):
            self.schedule()
