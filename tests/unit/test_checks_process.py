import asyncio
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.unit.waiting import eventually, lines, runs
from vipagent.checks import process
from vipagent.checks.process import MAX_OUTPUT, Finished
from vipagent.checks.text import MAX_TEXT
from vipagent.testing.slowness import allowed


def run(command: str, timeout: float = 10.0, **env: str) -> Finished:
    return asyncio.run(process.run(command, env, timeout))


def open_descriptors() -> set[str]:
    return {descriptor.name for descriptor in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize(
    ("command", "status", "tail"),
    [
        ("true", 0, ""),
        ("echo fine", 0, "fine"),
        ("echo out; echo err >&2; exit 3", 3, "out err"),
        ("kill -9 $$", -signal.SIGKILL, ""),
        ("no-such-command-here 2>/dev/null", 127, ""),
        ("exec >/dev/null 2>&1; exec sh -c 'exit 4'", 4, ""),
        ("printf 'a\\033[31m\\000b\\377\\r\\nc'", 0, "a?[31m?b\ufffd c"),
    ],
)
def test_status_and_output_are_returned(command: str, status: int, tail: str) -> None:
    finished = run(command)
    assert (finished.status, finished.tail) == (status, tail)


def test_program_with_arguments_needs_no_shell() -> None:
    finished = asyncio.run(process.run(["/bin/echo", "$HOME;", "a  b"], {}, 10))
    assert finished.output == b"$HOME; a  b\n"


def test_environment_extends_that_of_the_agent() -> None:
    assert run('echo "$STATE $PATH"', STATE="UP").tail == f"UP {os.environ['PATH']}"


def test_child_inherits_no_descriptors(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        seen = run("cat; for fd in /proc/$$/fd/*; do readlink $fd; done").tail.split()
    assert seen[0] == "/dev/null"
    assert seen[1].startswith("pipe:")
    assert seen[2] == seen[1]
    assert len(seen) == 3


def test_large_output_is_drained_and_its_tail_kept() -> None:
    finished = run("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the end")
    assert finished.status == 0
    assert len(finished.output) == MAX_OUTPUT
    assert finished.tail.endswith("xxx the end")
    assert len(finished.tail) == MAX_TEXT


def test_requested_amount_of_output_is_kept() -> None:
    finished = asyncio.run(process.run("head -c 300000 /dev/zero", {}, 10, keep=1 << 20))
    assert len(finished.output) == 300000


def test_background_child_holding_the_pipe_causes_no_delay() -> None:
    started = time.monotonic()
    finished = run("sleep 60 & echo $!", timeout=30)
    left_behind = int(finished.tail)
    try:
        assert finished.status == 0
        assert time.monotonic() - started < allowed(10)
        assert runs(left_behind)
    finally:
        os.kill(left_behind, signal.SIGKILL)


def test_timeout_kills_and_reaps_the_process_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def scenario() -> Finished:
        finished = await process.run(
            f"trap '' TERM; sleep 60 & echo $! >> {pids}; echo $$ >> {pids}; echo working; sleep 60", {}, 5
        )
        await eventually("both processes are dead", lambda: not any(runs(int(pid)) for pid in lines(pids)))
        return finished

    finished = asyncio.run(scenario())
    assert (finished.status, finished.tail) == (None, "working")
    assert len(lines(pids)) == 2
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_cancellation_kills_and_reaps_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "REAP_TIMEOUT", 10.0)  # reaping is slow on a busy machine
    pid_file = tmp_path / "pid"

    async def scenario() -> None:
        task = asyncio.create_task(process.run(f"echo $$ > {pid_file}; sleep 60", {}, 60))
        await eventually("the command runs", lambda: lines(pid_file))
        asked = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - asked < allowed(10)
        assert not runs(int(lines(pid_file)[0]))

    asyncio.run(scenario())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_thousand_runs_leak_nothing_and_use_no_thread() -> None:
    async def scenario() -> None:
        before = open_descriptors()
        for _ in range(50):
            ends = await asyncio.gather(
                *(process.run("exit 0", {}, 10) for _ in range(17)),
                *(process.run("sleep 60", {}, 0.001) for _ in range(3)),
            )
            assert [end.status for end in ends] == [0] * 17 + [None] * 3
        assert open_descriptors() == before
        assert threading.active_count() == threads

    threads = threading.active_count()
    asyncio.run(scenario())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_failure_of_pidfd_open_leaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_pid: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", full)
    before = open_descriptors()
    with pytest.raises(OSError, match="Too many open files"):
        run("sleep 60")
    assert open_descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_command_that_cannot_start_is_an_error() -> None:
    with pytest.raises(ValueError, match="null byte"):
        run("echo \0")
    with pytest.raises(FileNotFoundError):
        asyncio.run(process.run(["/no/such/program"], {}, 1))
