"""When to look at a directory that has changed: at once, and a few times more."""

import asyncio
from collections.abc import Callable

from vipagent.store.layout import Directory

LATER = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
"""Seconds after a change at which to look again: the kernel tells that a dead agent's file is closed a moment
before it lets go of the lock. What is locked after the last of them is held by somebody who lives."""


class Looks:
    """Merges changes that come close together. To be used on a running loop.

    Args:
        look: looks at a directory.
    """

    def __init__(self, look: Callable[[Directory], None]) -> None:
        self._look = look
        self._soon: set[Directory] = set()
        self._later: dict[Directory, list[asyncio.TimerHandle]] = {}

    def changed(self, directory: Directory) -> None:
        """Look soon, and again after that."""
        loop = asyncio.get_running_loop()
        if directory not in self._soon:
            self._soon.add(directory)
            loop.call_soon(self._now, directory)
        self._replace(directory, [loop.call_later(seconds, self._look, directory) for seconds in LATER])

    def again(self, directory: Directory, seconds: float) -> None:
        """Look once more, in so many seconds."""
        loop = asyncio.get_running_loop()
        self._replace(directory, [loop.call_later(seconds, self._look, directory)])

    def _now(self, directory: Directory) -> None:
        self._soon.discard(directory)
        self._look(directory)

    def _replace(self, directory: Directory, timers: list[asyncio.TimerHandle]) -> None:
        for timer in self._later.get(directory, ()):
            timer.cancel()
        self._later[directory] = timers
