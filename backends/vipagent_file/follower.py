"""Determines which directories must be listed again: by inotify, and by rechecks after each event."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from vipagent.store.driver import Interests
from vipagent.store.layout import Directory
from vipagent_file.changes import InotifyWatcher
from vipagent_file.root import Root

RECHECK_DELAYS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
"""Delays of the rechecks after an event, in seconds: the kernel reports the closed file of an agent that has
exited shortly before it releases the lock. A file that is locked after the last one has a live holder."""
FOLDER_POLL_INTERVAL = 1.0
"""Polling interval in seconds, without inotify."""
RELIST_INTERVAL = 60.0
"""Interval in seconds of a full listing, because the kernel may drop events."""
INOTIFY_ATTEMPTS = 3
"""Maximum number of attempts to use inotify: watchdog 6 leaks three descriptors each time the kernel rejects
a watch."""

log = logging.getLogger(__name__)


class FileFollower:
    """Collects the directories that may have changed.

    Args:
        root: the store's directory.
        path_of: returns a directory's path.
        loop: the loop on which `changed` is awaited.
    """

    def __init__(
        self, root: Root, path_of: Callable[[Directory], Path], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._root = root
        self._path_of = path_of
        self._loop = loop
        self._followed: dict[Path, Directory] = {}
        self._above: set[Path] = set()
        """Parent directories of the followed directories."""
        self._dirty: dict[Directory, None] = {}
        self._news = asyncio.Event()
        self._timers: dict[Directory, list[asyncio.TimerHandle]] = {}
        self._relist_at = 0.0
        """Time of the next full listing, by the loop's clock."""
        self._changes: InotifyWatcher | None = None
        self._refusals = 0

    def follow(self, directories: set[Directory]) -> None:
        """Follow these directories; new ones are listed. Runs on the file system thread.

        Raises:
            OSError: a directory cannot be created.
        """
        if self._changes is None and self._refusals < INOTIFY_ATTEMPTS:
            self._start()
        new = directories.difference(self._followed.values())
        for directory in new:
            self._root.make(self._path_of(directory).relative_to(self._root.path))
        if new or len(self._followed) != len(directories):
            self._followed = {self._path_of(directory): directory for directory in directories}
            self._above = {folder for path in self._followed for folder in path.parents}
            self._loop.call_soon_threadsafe(self.touch, new)

    async def changed(self, interests: Interests) -> list[Directory]:
        """Wait for changed directories or changed interests; return the directories to list."""
        if not self._dirty:
            await self._wait(interests)
        if self._loop.time() >= self._relist_at:
            self.touch(self._followed.values())
            self._relist_at = self._loop.time() + (
                RELIST_INTERVAL if self._changes is not None else FOLDER_POLL_INTERVAL
            )
        dirty = [directory for directory in self._dirty if directory in interests.names]
        self._dirty.clear()
        self._news.clear()
        return dirty

    async def _wait(self, interests: Interests) -> None:
        tasks = [asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(interests.changed())]
        timeout = max(0.0, self._relist_at - self._loop.time())
        try:
            await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    @property
    def is_watching(self) -> bool:
        """Whether inotify is in use, or no more attempts are made; otherwise `follow` retries it."""
        return self._changes is not None or self._refusals >= INOTIFY_ATTEMPTS

    def stop(self) -> None:
        """Stop, and end the watchdog threads."""
        if self._changes is not None:
            self._changes.stop()
            self._changes = None

    def _start(self) -> None:
        changes = InotifyWatcher(self._root.path, self._on_event)
        try:
            changes.start()
        except OSError as error:
            self._refusals += 1
            if self._refusals == 1:
                log.warning(
                    "%s: inotify is not available, polling every %g s: %s",
                    self._root.path,
                    FOLDER_POLL_INTERVAL,
                    error,
                )
        else:
            self._changes = changes

    def _on_event(self, path: Path, closed: bool) -> None:
        self._loop.call_soon_threadsafe(partial(self._changed, path, closed))

    def _changed(self, path: Path, closed: bool) -> None:
        """Handle the change of a directory, its content, or its parent."""
        for folder in (path, path.parent):
            if (directory := self._followed.get(folder)) is not None:
                self.touch([directory])
                if closed:
                    self._schedule_rechecks(directory)
        if path in self._above:
            self.touch(self._followed.values())

    def _schedule_rechecks(self, directory: Directory) -> None:
        for timer in self._timers.pop(directory, ()):
            timer.cancel()
        self._timers[directory] = [
            self._loop.call_later(seconds, self.touch, [directory]) for seconds in RECHECK_DELAYS
        ]

    def touch(self, directories: Iterable[Directory]) -> None:
        """Schedule a listing of these directories."""
        self._dirty.update(dict.fromkeys(directories))
        if self._dirty:
            self._news.set()
