"""Which paths have changed: inotify, by a library."""

import warnings
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from vipagent_file.folders import HIDDEN

WANTED: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]
"""Not what reading a file causes: looking at a change must not be one. Closed is: closed after writing."""


# watchdog 7 warns that it watches a new folder twice, when one is made in another new one: no harm is done.
warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)


class Changes(FileSystemEventHandler):
    """Tells of every change below a directory.

    Args:
        root: the directory.
        tell: called on a thread of the library's with the path that has changed, and whether it is a file
            that was closed after writing: perhaps a dead agent's.
    """

    def __init__(self, root: Path, tell: Callable[[Path, bool], object]) -> None:
        self._root = root
        self._tell = tell
        self._observer: BaseObserver | None = None

    def start(self) -> None:
        """Start to watch.

        Raises:
            OSError: inotify does not work here, or its limits are reached.
        """
        observer = Observer()
        try:
            observer.schedule(self, str(self._root), recursive=True, event_filter=WANTED)
            observer.start()
        except OSError:
            observer.on_thread_stop()  # watchdog 7 has a descriptor and a thread from the beginning
            raise
        self._observer = observer

    def stop(self) -> None:
        """Stop, and end the library's threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Report an event of the library's."""
        for name in filter(None, (event.src_path, event.dest_path)):
            path = Path(str(name))
            if not path.name.startswith(HIDDEN):
                self._tell(path, isinstance(event, FileClosedEvent))
