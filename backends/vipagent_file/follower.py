"""Which directories have to be listed again: inotify's word, and a few more looks after it."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from vipagent.store.driver import Interests
from vipagent.store.layout import Directory
from vipagent_file.changes import Changes
from vipagent_file.root import Root

LATER = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
"""Seconds after a change at which to look again: the kernel tells that a dead agent's file is closed a moment
before it lets go of the lock. What is locked after the last of them is held by somebody who lives."""
POLL = 1.0
"""Seconds between two looks without inotify."""
RELIST = 60.0
"""Seconds after which everything is listed again, changed or not: the kernel may have dropped an event."""
ATTEMPTS = 3
"""How often inotify is tried before it is left alone: watchdog 6 leaves three descriptors open each time that
the kernel refuses it a watch."""

log = logging.getLogger(__name__)


class Follower:
    """Collects the directories that may have changed.

    Args:
        root: the store's directory.
        path_of: returns a directory's path.
        loop: where `changed` is awaited.
    """

    def __init__(
        self, root: Root, path_of: Callable[[Directory], Path], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._root = root
        self._path_of = path_of
        self._loop = loop
        self._followed: dict[Path, Directory] = {}
        self._above: set[Path] = set()
        """The folders that the followed ones are in."""
        self._dirty: dict[Directory, None] = {}
        self._news = asyncio.Event()
        self._timers: dict[Directory, list[asyncio.TimerHandle]] = {}
        self._all_due = 0.0
        """When everything is to be listed again, by the loop's clock."""
        self._changes: Changes | None = None
        self._refusals = 0

    def follow(self, directories: set[Directory]) -> None:
        """Follow these directories; those that are new have to be listed. On the file system's thread.

        Raises:
            OSError: a folder cannot be made.
        """
        if self._changes is None and self._refusals < ATTEMPTS:
            self._start()
        new = directories.difference(self._followed.values())
        for directory in new:
            self._root.make(self._path_of(directory).relative_to(self._root.path))
        if new or len(self._followed) != len(directories):
            self._followed = {self._path_of(directory): directory for directory in directories}
            self._above = {folder for path in self._followed for folder in path.parents}
            self._loop.call_soon_threadsafe(self.touch, new)

    async def changed(self, interests: Interests) -> list[Directory]:
        """Wait until something is to be listed, or other directories are of interest; return what to list."""
        if not self._dirty:
            await self._wait(interests)
        if self._loop.time() >= self._all_due:
            self.touch(self._followed.values())
            self._all_due = self._loop.time() + (RELIST if self._changes is not None else POLL)
        dirty = [directory for directory in self._dirty if directory in interests.names]
        self._dirty.clear()
        self._news.clear()
        return dirty

    async def _wait(self, interests: Interests) -> None:
        tasks = [asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(interests.changed())]
        patience = max(0.0, self._all_due - self._loop.time())
        try:
            await asyncio.wait(tasks, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    @property
    def is_told(self) -> bool:
        """Whether inotify tells of changes; else `follow` tries it again."""
        return self._changes is not None or self._refusals >= ATTEMPTS

    def stop(self) -> None:
        """Stop, and end the library's threads."""
        if self._changes is not None:
            self._changes.stop()
            self._changes = None

    def _start(self) -> None:
        changes = Changes(self._root.path, self._tell)
        try:
            changes.start()
        except OSError as error:
            self._refusals += 1
            if self._refusals == 1:
                log.warning("%s: polling every %g s, without inotify: %s", self._root.path, POLL, error)
        else:
            self._changes = changes

    def _tell(self, path: Path, closed: bool) -> None:
        self._loop.call_soon_threadsafe(partial(self._changed, path, closed))

    def _changed(self, path: Path, closed: bool) -> None:
        """Look at what a change may concern: a directory, what is in it, or what it is in."""
        for folder in (path, path.parent):
            if (directory := self._followed.get(folder)) is not None:
                self.touch([directory])
                if closed:
                    self._look_later(directory)
        if path in self._above:
            self.touch(self._followed.values())

    def _look_later(self, directory: Directory) -> None:
        for timer in self._timers.pop(directory, ()):
            timer.cancel()
        self._timers[directory] = [
            self._loop.call_later(seconds, self.touch, [directory]) for seconds in LATER
        ]

    def touch(self, directories: Iterable[Directory]) -> None:
        """Have these directories listed."""
        self._dirty.update(dict.fromkeys(directories))
        if self._dirty:
            self._news.set()
