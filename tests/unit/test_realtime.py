"""Real-time priority of a measured program: all its threads and children, but no later ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.process import wait_for
from tests.servers.realtime import family, realtime_priority

PROGRAM = """
import os, subprocess, sys, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
child = subprocess.Popen(["sleep", "600"])
print("ready", flush=True)
sys.stdin.read()
child.kill()
child.wait()
"""


def policies(*pids: int) -> set[int]:
    """Return the scheduling policies of all threads of the processes."""
    threads = [int(task.name) for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    return {os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK for thread in threads}


@pytest.fixture
def permitted() -> bool:
    """Whether this machine permits real-time priority."""
    with realtime_priority(list):
        return os.sched_getscheduler(0) != os.SCHED_OTHER


def test_all_threads_of_all_processes_have_realtime_priority(permitted: bool) -> None:
    first = os.SCHED_RR if permitted else os.SCHED_OTHER
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        wait_for("the program has started its child", lambda: len(family(program.pid)) == 2)
        with realtime_priority(lambda: family(program.pid)):
            assert policies(*family(program.pid)) == {first}
            with subprocess.Popen(["sleep", "600"]) as started:
                assert policies(started.pid) == {os.SCHED_OTHER}
                started.kill()
        assert policies(*family(program.pid)) == {os.SCHED_OTHER}
        program.communicate()


def test_exited_process_is_ignored() -> None:
    with subprocess.Popen(["true"]) as program, realtime_priority(lambda: [program.pid]):
        program.wait()
    with realtime_priority(lambda: [program.pid]):
        assert family(program.pid) == [program.pid]
