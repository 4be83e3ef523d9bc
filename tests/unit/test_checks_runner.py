import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.unit.waiting import eventually, lines, runs
from vipagent.checks import runner
from vipagent.checks.outcome import CheckOutcome
from vipagent.checks.runner import CheckRunner
from vipagent.checks.settings import CheckSettings
from vipagent.core.events import CheckFinished
from vipagent.core.state import Health
from vipagent.testing.slowness import allowed
from vipagent.types import CheckResult, CheckState

GOOD, BAD, DISABLED = CheckResult.GOOD, CheckResult.BAD, CheckResult.DISABLED


class Collector:
    """Collects the results of runners and counts them as the core does."""

    def __init__(self, rise: int = 3, fall: int = 3) -> None:
        self.health = Health(rise, fall)
        self.received: list[CheckFinished] = []

    def receive(self, checked: CheckFinished) -> None:
        self.received.append(checked)
        self.health.count(checked.result)

    @property
    def results(self) -> list[CheckResult]:
        return [checked.result for checked in self.received]

    def runner(self, settings: CheckSettings) -> CheckRunner:
        return CheckRunner(settings, self.receive, lambda: self.health.changing)


def during(runners: list[CheckRunner], scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the runners concurrently until the scenario ends."""

    async def run() -> None:
        tasks = [asyncio.create_task(one.run()) for one in runners]
        await scenario()
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ends), ends

    asyncio.run(run())


def test_fast_interval_while_the_state_is_about_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    script = tmp_path / "script"
    script.write_text("good good good good bad bad bad bad good".replace(" ", "\n"))
    collector = Collector()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.Event().wait() if len(slept) == 9 else None

    monkeypatch.setattr(runner, "sleep", sleep)
    command = f"read state < {script}; sed -i 1d {script}; test $state = good"

    async def scenario() -> None:
        await eventually("nine checks have run", lambda: len(slept) == 9)

    during([collector.runner(CheckSettings(command=command, interval=7, fast_interval=2))], scenario)
    assert collector.results == [GOOD] * 4 + [BAD] * 4 + [GOOD]
    assert slept == [2, 2, 7, 7, 2, 2, 7, 7, 2]


def test_disabled_while_the_file_exists(tmp_path: Path) -> None:
    file, ran = tmp_path / "disabled", tmp_path / "ran"
    file.touch()
    collector = Collector(rise=2)
    settings = CheckSettings(command=f"echo >> {ran}", disable=str(file), interval=0.01, fast_interval=0.01)

    async def scenario() -> None:
        await eventually("three results", lambda: len(collector.received) >= 3)
        assert set(collector.received) == {CheckFinished(DISABLED, f"{file} exists")}
        assert not ran.exists()
        file.unlink()
        await eventually("up", lambda: collector.health.state is CheckState.UP)
        assert len(lines(ran)) >= 2
        file.touch()
        await eventually("disabled", lambda: collector.health.state is CheckState.DISABLED)

    during([collector.runner(settings)], scenario)


def test_disable_file_without_a_check(tmp_path: Path) -> None:
    file = tmp_path / "disabled"
    collector = Collector()
    settings = CheckSettings(disable=str(file), interval=0.01, fast_interval=0.01)

    async def scenario() -> None:
        await eventually("up", lambda: collector.health.state is CheckState.UP)
        file.touch()
        await eventually("disabled", lambda: collector.health.state is CheckState.DISABLED)
        file.unlink()
        await eventually("up again", lambda: collector.health.state is CheckState.UP)

    during([collector.runner(settings)], scenario)


@pytest.mark.parametrize("before", [[], [BAD] * 5, [DISABLED], [GOOD]])
def test_service_without_a_check_is_always_up(before: list[CheckResult]) -> None:
    collector = Collector(rise=3)
    for result in before:
        collector.health.count(result)
    asyncio.run(
        asyncio.wait_for(collector.runner(CheckSettings(interval=3600, fast_interval=3600)).run(), allowed(5))
    )
    assert collector.health.state is CheckState.UP
    assert set(collector.results) == {GOOD}
    assert len(collector.received) <= 3


def test_exception_in_a_check_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        async def run(self) -> CheckOutcome:
            raise RuntimeError("boom\nand more")

    monkeypatch.setattr(runner, "check_for", lambda _settings: Broken())
    collector = Collector(fall=2)

    async def scenario() -> None:
        await eventually("checks continue", lambda: len(collector.received) >= 3)
        assert collector.received[0] == CheckFinished(BAD, "the check failed: RuntimeError: boom and more")
        assert collector.health.state is CheckState.DOWN

    during([collector.runner(CheckSettings(command="true", interval=0.01, fast_interval=0.01))], scenario)


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        ("true", "status 0"),
        ("echo fine", "status 0"),
        ("echo no answer; exit 2", "status 2: no answer"),
        ("exec sleep 60", "killed, not finished within 5 s"),
        ("kill -TERM $$", "killed by SIGTERM"),
        ("kill -40 $$", "killed by signal 40"),
    ],
)
def test_details_of_failed_commands(command: str, detail: str) -> None:
    collector = Collector()

    async def scenario() -> None:
        await eventually("a result", lambda: collector.received)

    during([collector.runner(CheckSettings(command=command, timeout=5))], scenario)
    assert collector.received[0].detail == detail


def test_slow_check_does_not_delay_others(tmp_path: Path) -> None:
    hanging, quick = Collector(), Collector()
    pid_file = tmp_path / "pid"

    async def scenario() -> None:
        await eventually("the first check hangs", lambda: lines(pid_file))
        await eventually("the other runner continues", lambda: len(quick.received) >= 20)
        assert hanging.received == []

    settings = CheckSettings(command=f"echo $$ > {pid_file}; exec sleep 60", timeout=60)
    started = time.monotonic()
    during(
        [
            hanging.runner(settings),
            quick.runner(CheckSettings(command="true", interval=0.001, fast_interval=0.001)),
        ],
        scenario,
    )
    assert time.monotonic() - started < allowed(20)
    asyncio.run(eventually("the process is dead", lambda: not runs(int(lines(pid_file)[0]))))
