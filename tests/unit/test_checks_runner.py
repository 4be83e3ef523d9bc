import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.unit.waiting import eventually, lines, runs
from vipagent.checks import runner
from vipagent.checks.outcome import Outcome
from vipagent.checks.runner import CheckRunner
from vipagent.checks.settings import CheckSettings
from vipagent.core.events import Checked
from vipagent.core.health import Health
from vipagent.core.words import CheckResult, CheckState
from vipagent.testing.slowness import allowed

GOOD, BAD, DISABLED = CheckResult.GOOD, CheckResult.BAD, CheckResult.DISABLED


class Taker:
    """Collects the results of runners and counts them as the core does."""

    def __init__(self, rise: int = 3, fall: int = 3) -> None:
        self.health = Health(rise, fall)
        self.taken: list[Checked] = []

    def take(self, checked: Checked) -> None:
        self.taken.append(checked)
        self.health.count(checked.result)

    @property
    def results(self) -> list[CheckResult]:
        return [checked.result for checked in self.taken]

    def runner(self, settings: CheckSettings) -> CheckRunner:
        return CheckRunner(settings, self.take, lambda: self.health.changing)


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
    taker = Taker()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.Event().wait() if len(slept) == 9 else None

    monkeypatch.setattr(runner, "sleep", sleep)
    command = f"read state < {script}; sed -i 1d {script}; test $state = good"

    async def scenario() -> None:
        await eventually("all is checked", lambda: len(slept) == 9)

    during([taker.runner(CheckSettings(command=command, interval=7, fast_interval=2))], scenario)
    assert taker.results == [GOOD] * 4 + [BAD] * 4 + [GOOD]
    assert slept == [2, 2, 7, 7, 2, 2, 7, 7, 2]


def test_disabled_while_the_file_exists(tmp_path: Path) -> None:
    file, ran = tmp_path / "disabled", tmp_path / "ran"
    file.touch()
    taker = Taker(rise=2)
    settings = CheckSettings(command=f"echo >> {ran}", disable=str(file), interval=0.01, fast_interval=0.01)

    async def scenario() -> None:
        await eventually("three results", lambda: len(taker.taken) >= 3)
        assert set(taker.taken) == {Checked(DISABLED, f"{file} exists")}
        assert not ran.exists()
        file.unlink()
        await eventually("up", lambda: taker.health.state is CheckState.UP)
        assert len(lines(ran)) >= 2
        file.touch()
        await eventually("disabled", lambda: taker.health.state is CheckState.DISABLED)

    during([taker.runner(settings)], scenario)


def test_disable_file_without_a_check(tmp_path: Path) -> None:
    file = tmp_path / "disabled"
    taker = Taker()
    settings = CheckSettings(disable=str(file), interval=0.01, fast_interval=0.01)

    async def scenario() -> None:
        await eventually("up", lambda: taker.health.state is CheckState.UP)
        file.touch()
        await eventually("disabled", lambda: taker.health.state is CheckState.DISABLED)
        file.unlink()
        await eventually("up again", lambda: taker.health.state is CheckState.UP)

    during([taker.runner(settings)], scenario)


@pytest.mark.parametrize("before", [[], [BAD] * 5, [DISABLED], [GOOD]])
def test_service_without_a_check_is_always_up(before: list[CheckResult]) -> None:
    taker = Taker(rise=3)
    for result in before:
        taker.health.count(result)
    asyncio.run(
        asyncio.wait_for(taker.runner(CheckSettings(interval=3600, fast_interval=3600)).run(), allowed(5))
    )
    assert taker.health.state is CheckState.UP
    assert set(taker.results) == {GOOD}
    assert len(taker.taken) <= 3


def test_exception_in_a_check_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        async def run(self) -> Outcome:
            raise RuntimeError("boom\nand more")

    monkeypatch.setattr(runner, "check_for", lambda _settings: Broken())
    taker = Taker(fall=2)

    async def scenario() -> None:
        await eventually("checking goes on", lambda: len(taker.taken) >= 3)
        assert taker.taken[0] == Checked(BAD, "the check failed: RuntimeError: boom and more")
        assert taker.health.state is CheckState.DOWN

    during([taker.runner(CheckSettings(command="true", interval=0.01, fast_interval=0.01))], scenario)


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        ("true", "status 0"),
        ("echo fine", "status 0"),
        ("echo no answer; exit 2", "status 2: no answer"),
        ("exec sleep 60", "killed, not done within 5 s"),
        ("kill -TERM $$", "ended by SIGTERM"),
        ("kill -40 $$", "ended by signal 40"),
    ],
)
def test_details_of_failed_commands(command: str, detail: str) -> None:
    taker = Taker()

    async def scenario() -> None:
        await eventually("a result", lambda: taker.taken)

    during([taker.runner(CheckSettings(command=command, timeout=5))], scenario)
    assert taker.taken[0].detail == detail


def test_slow_check_does_not_delay_others(tmp_path: Path) -> None:
    hanging, quick = Taker(), Taker()
    pid_file = tmp_path / "pid"

    async def scenario() -> None:
        await eventually("it hangs", lambda: lines(pid_file))
        await eventually("the other goes on", lambda: len(quick.taken) >= 20)
        assert hanging.taken == []

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
    asyncio.run(eventually("it is dead", lambda: not runs(int(lines(pid_file)[0]))))
