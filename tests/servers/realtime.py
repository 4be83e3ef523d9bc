"""Run measured processes at real-time priority, if permitted.

`nice` is not sufficient: the kernel first divides the CPU between sessions (sched_autogroup_enabled), and
each of our processes has a separate session.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

REALTIME_INHERITED = (os.SCHED_RR, os.sched_param(1))
"""The lowest real-time priority, inherited by child processes."""
REALTIME = (os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
"""Not inherited: starting processes takes seconds of CPU and would block all other tests."""
NORMAL = (os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def realtime_priority(
    processes: Callable[[], Iterable[int]], policy: tuple[int, os.sched_param] = REALTIME
) -> Iterator[None]:
    """Run these processes and this thread at real-time priority during a measurement."""
    _schedule(processes(), policy)
    try:
        yield
    finally:
        _schedule(processes(), NORMAL)


@contextmanager
def realtime_children() -> Iterator[None]:
    """Run this thread and its child processes at real-time priority."""
    _set(0, REALTIME_INHERITED)
    try:
        yield
    finally:
        _set(0, NORMAL)


def family(*pids: int) -> list[int]:
    """Return these processes and their descendants."""
    found = list(pids)
    for pid in found:  # the list grows during the loop
        for thread in _threads(pid):
            with suppress(OSError):  # it has exited
                found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def _schedule(pids: Iterable[int], policy: tuple[int, os.sched_param]) -> None:
    threads = [thread for pid in pids for thread in _threads(pid)]
    for thread in (0, *threads):  # 0: this thread
        _set(thread, policy)


def _threads(pid: int) -> list[int]:
    """Return the threads of a process; none after its exit."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208  glob raises an error if a thread exits
    except OSError:
        return []


def _set(thread: int, policy: tuple[int, os.sched_param]) -> None:
    with suppress(PermissionError, ProcessLookupError):
        os.sched_setscheduler(thread, *policy)
