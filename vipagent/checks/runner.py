"""Checks one service again and again (C1)."""

from asyncio import sleep
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from vipagent.checks import text
from vipagent.checks.kinds import check_for
from vipagent.checks.outcome import Check, Outcome
from vipagent.checks.settings import CheckSettings
from vipagent.core.events import CheckFinished
from vipagent.types import CheckResult


class CheckRunner:
    """Delivers the results of one service's check.

    Args:
        settings: what to check, and how often.
        deliver: takes each result.
        changing: whether a change of state is about to occur, so that the next check comes sooner.
    """

    def __init__(
        self, settings: CheckSettings, deliver: Callable[[CheckFinished], None], changing: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._deliver = deliver
        self._changing = changing
        self._check = check_for(settings)
        self._disable = Path(settings.disable) if settings.disable is not None else None

    async def run(self) -> None:
        """Check for ever; or, if nothing can ever change the result, until it has told."""
        if self._check is None and self._disable is None:
            await self._take_for_good()
            return
        while True:
            self._deliver(await self._result())
            await sleep(self._settings.fast_interval if self._changing() else self._settings.interval)

    async def _take_for_good(self) -> None:
        while True:
            self._deliver(CheckFinished(CheckResult.GOOD, "no check"))
            if not self._changing():
                return
            await sleep(0)

    async def _result(self) -> CheckFinished:
        if self._disabled():
            return CheckFinished(CheckResult.DISABLED, text.head(f"{self._disable} exists"))
        if self._check is None:
            return CheckFinished(CheckResult.GOOD, "no check")
        began = monotonic()
        outcome = await _outcome(self._check)
        result = CheckResult.GOOD if outcome.good else CheckResult.BAD
        return CheckFinished(result, text.head(outcome.detail), monotonic() - began)

    def _disabled(self) -> bool:
        try:
            return self._disable is not None and self._disable.exists()
        except OSError:  # out of reach is not there, as in ExaBGP's healthcheck
            return False


async def _outcome(check: Check) -> Outcome:
    try:
        return await check.run()
    except Exception as error:  # noqa: BLE001 - whatever a check fails with, checking goes on
        return Outcome(False, f"the check failed: {type(error).__name__}: {error}")
