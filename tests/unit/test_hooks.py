import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.unit.waiting import eventually, lines, runs
from vipagent.checks.hooks import Hooks
from vipagent.checks.settings import HookSettings
from vipagent.testing.slowness import allowed
from vipagent.types import CheckState

UP, DOWN, DISABLED = CheckState.UP, CheckState.DOWN, CheckState.DISABLED


def with_hooks(
    settings: HookSettings, scenario: Callable[[Hooks], Coroutine[Any, Any, None]], timeout: float = 60
) -> None:
    async def run() -> None:
        await scenario(Hooks(settings, "apex", "node1", timeout))

    asyncio.run(run())


def test_commands_of_a_state_run_before_common_ones(tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = HookSettings(
        execute=(f"echo always $STATE $VIPAGENT_SERVICE $VIPAGENT_NODE >> {out}", f"echo last >> {out}"),
        up_execute=(f"sleep 0.1; echo up 1 >> {out}", f"echo up 2 >> {out}"),
        down_execute=(f"echo down >> {out}",),
    )

    async def scenario(hooks: Hooks) -> None:
        hooks.changed(UP)
        await eventually("all UP commands ran", lambda: len(lines(out)) == 4)
        assert lines(out) == ["up 1", "up 2", "always UP apex node1", "last"]
        hooks.changed(DISABLED)
        await eventually("all DISABLED commands ran", lambda: len(lines(out)) == 6)
        hooks.changed(DOWN)
        await eventually("all DOWN commands ran", lambda: len(lines(out)) == 9)
        assert lines(out)[4:] == [
            "always DISABLED apex node1",
            "last",
            "down",
            "always DOWN apex node1",
            "last",
        ]

    with_hooks(settings, scenario)


def test_only_the_latest_pending_state_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out, go = tmp_path / "out", tmp_path / "go"
    settings = HookSettings(execute=(f"echo $STATE >> {out}; while ! test -e {go}; do sleep 0.01; done",))

    async def scenario(hooks: Hooks) -> None:
        started = time.monotonic()
        hooks.changed(UP)
        await eventually("the UP command runs", lambda: lines(out) == ["UP"])
        for state in (DOWN, UP, DOWN, DISABLED):
            hooks.changed(state)
        assert time.monotonic() - started < allowed(10)
        go.touch()
        await eventually("the latest state's command ran", lambda: lines(out)[-1] == "DISABLED")
        assert lines(out) == ["UP", "DISABLED"]

    with_hooks(settings, scenario)
    assert [record.getMessage() for record in caplog.records].count(
        "skipping hooks: the previous ones are still running"
    ) == 3


def test_state_without_commands_replaces_a_pending_one(tmp_path: Path) -> None:
    out, go = tmp_path / "out", tmp_path / "go"
    wait = f"while ! test -e {go}; do sleep 0.01; done"
    settings = HookSettings(
        up_execute=(f"echo up >> {out}; {wait}; echo end >> {out}",), down_execute=(f"echo down >> {out}",)
    )

    async def scenario(hooks: Hooks) -> None:
        hooks.changed(UP)
        await eventually("the UP command runs", lambda: lines(out) == ["up"])
        hooks.changed(DOWN)
        hooks.changed(DISABLED)
        go.touch()
        await eventually("the UP command ended", lambda: lines(out)[-1] == "end")
        hooks.changed(UP)
        await eventually(
            "the UP command ran again", lambda: lines(out)[-2:] == ["up", "end"] and len(lines(out)) == 4
        )

    with_hooks(settings, scenario)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("echo broken; exit 7", "status 7: broken"),
        ("echo slow; sleep 60", "killed, not finished within 5 s: slow"),
        ("echo \0", "embedded null byte"),
    ],
)
def test_failure_is_logged_and_the_next_command_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, command: str, error: str
) -> None:
    out = tmp_path / "out"

    async def scenario(hooks: Hooks) -> None:
        hooks.changed(DOWN)
        await eventually("the next command ran", lambda: lines(out))

    with_hooks(HookSettings(execute=(f"echo next >> {out}",), down_execute=(command,)), scenario, timeout=5)
    (record,) = caplog.records
    assert record.getMessage() == "hook failed"
    assert vars(record)["fields"] == {"service": "apex", "state": DOWN, "command": command, "error": error}


def test_stop_kills_running_commands(tmp_path: Path) -> None:
    out = tmp_path / "out"

    async def scenario(hooks: Hooks) -> None:
        hooks.changed(UP)
        await eventually("the command runs", lambda: lines(out))
        hooks.changed(DOWN)
        hooks.stop()
        await eventually("the process is dead", lambda: not runs(int(lines(out)[0])))
        assert len(lines(out)) == 1

    with_hooks(HookSettings(execute=(f"echo $$ >> {out}; exec sleep 60",)), scenario)


def test_no_task_without_hooks() -> None:
    async def scenario(hooks: Hooks) -> None:
        hooks.changed(UP)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        hooks.stop()

    with_hooks(HookSettings(), scenario)
