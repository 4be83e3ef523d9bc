"""The local check of one machine: what it would say, and when it says it."""

from collections.abc import Callable

from tests.simulation.clock import Alarm, Clock
from tests.simulation.hindrances import Hindrance, Hindrances
from vipagent.core.settings import ServiceSettings
from vipagent.types import CheckResult

INTERVAL = 0.5
"""Seconds between two results, while they may still change the verdict; after that they all say the same."""


class Check:
    """Feeds results until the core must have understood; again whenever the truth changes.

    Args:
        settings: how many results make a verdict.
        clock: the time.
        hindrances: told whether the service may count as failing.
        feed: takes a result to the core; says whether there is one that runs.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        clock: Clock,
        hindrances: Hindrances,
        feed: Callable[[CheckResult], bool],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._hindrances = hindrances
        self._feed = feed
        self._ailments: list[CheckResult] = []
        self._last = CheckResult.GOOD
        self._streak = 0
        self._alarm: Alarm | None = None

    @property
    def result(self) -> CheckResult:
        """What the check says now."""
        return self._ailments[-1] if self._ailments else CheckResult.GOOD

    def fail(self, ailment: CheckResult) -> None:
        """Begin to say something bad."""
        self._ailments.append(ailment)
        self._hindrances.add(Hindrance.CHECK, self._clock.now)
        self.go_on()

    def recover(self, ailment: CheckResult) -> None:
        """End one ailment; there may be others."""
        self._ailments.remove(ailment)
        self.go_on()

    def begin(self) -> None:
        """Start with a new agent, which knows nothing."""
        self._streak = 0
        self._hindrances.add(Hindrance.CHECK, self._clock.now)
        self.go_on()

    def go_on(self) -> None:
        """See to it that the next result comes."""
        if self._alarm is None:
            self._alarm = self._clock.after(INTERVAL, self._run)

    def _run(self) -> None:
        self._alarm = None
        result = self.result
        if not self._feed(result):
            return
        self._streak = self._streak + 1 if result is self._last else 1
        self._last = result
        if result is CheckResult.GOOD and self._streak >= self._settings.rise:
            self._hindrances.clear(Hindrance.CHECK, self._clock.now)
        if self._streak < max(self._settings.rise, self._settings.fall):
            self.go_on()
