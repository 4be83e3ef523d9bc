"""Real-time priority for measured processes, if permitted.

`nice` is not sufficient: the kernel first divides the CPU time between sessions (sched_autogroup_enabled),
and each process of the tests has a separate session.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ALL_FIRST = (os.SCHED_RR, os.sched_param(1))
"""The lowest real-time priority, inherited by child processes."""
FIRST = (os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
"""The same, not inherited: the start of processes takes seconds and would block all other tests."""
LIKE_OTHERS = (os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def going_first(
    processes: Callable[[], Iterable[int]], how: tuple[int, os.sched_param] = FIRST
) -> Iterator[None]:
    """Run these processes and this thread at real-time priority during a measurement."""
    _schedule(processes(), how)
    try:
        yield
    finally:
        _schedule(processes(), LIKE_OTHERS)


@contextmanager
def starting_first() -> Iterator[None]:
    """Run this thread and its child processes at real-time priority."""
    _set(0, ALL_FIRST)
    try:
        yield
    finally:
        _set(0, LIKE_OTHERS)


def family(*pids: int) -> list[int]:
    """Return these processes and their descendants."""
    found = list(pids)
    for pid in found:  # the list grows during the loop
        for thread in _threads(pid):
            with suppress(OSError):  # it has exited
                found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def _schedule(pids: Iterable[int], how: tuple[int, os.sched_param]) -> None:
    threads = [thread for pid in pids for thread in _threads(pid)]
    for thread in (0, *threads):  # 0: ours
        _set(thread, how)


def _threads(pid: int) -> list[int]:
    """Return a process's threads; none once it has ended."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208  glob fails half-way
    except OSError:
        return []


def _set(thread: int, how: tuple[int, os.sched_param]) -> None:
    with suppress(PermissionError, ProcessLookupError):
        os.sched_setscheduler(thread, *how)
