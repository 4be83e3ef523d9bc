"""Processes that are measured go before all else on the machine, if we may.

`nice` does not do that: the kernel gives each session its share first (sched_autogroup_enabled), and every
process of ours has a session of its own.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ALL_FIRST = (os.SCHED_RR, os.sched_param(1))
"""The lowest of the real-time priorities, above every process without one; what is started has it, too."""
FIRST = (os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
"""The same, but what is started is without: to start takes seconds, in which all other tests would stand
still."""
LIKE_OTHERS = (os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def going_first(
    processes: Callable[[], Iterable[int]], how: tuple[int, os.sched_param] = FIRST
) -> Iterator[None]:
    """Have these processes and this thread go first, while something is measured."""
    _schedule(processes(), how)
    try:
        yield
    finally:
        _schedule(processes(), LIKE_OTHERS)


@contextmanager
def starting_first() -> Iterator[None]:
    """Have this thread go first, and all that it starts in here: what it starts is what is measured."""
    _set(0, ALL_FIRST)
    try:
        yield
    finally:
        _set(0, LIKE_OTHERS)


def family(*pids: int) -> list[int]:
    """Return these processes and all that descends from them."""
    found = list(pids)
    for pid in found:  # it grows meanwhile
        for thread in _threads(pid):
            with suppress(OSError):  # it has ended
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
