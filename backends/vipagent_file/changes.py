"""Change notifications by inotify, through watchdog."""

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

from vipagent_file.folders import HIDDEN_PREFIX

EVENT_TYPES: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]
"""Events of changes, not of reads. A closed file is one that was closed after writing."""


# watchdog 7 warns if it watches a new nested directory twice, which is harmless.
warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)


class InotifyWatcher(FileSystemEventHandler):
    """Reports every change below a directory.

    Args:
        root: the directory.
        on_event: called on a watchdog thread with the changed path, and whether it is a file that was closed
            after writing, for example by an agent that has exited.
    """

    def __init__(self, root: Path, on_event: Callable[[Path, bool], object]) -> None:
        self._root = root
        self._on_event = on_event
        self._observer: BaseObserver | None = None

    def start(self) -> None:
        """Start watching.

        Raises:
            OSError: inotify is not available, or its limits are reached.
        """
        observer = Observer()
        try:
            observer.schedule(self, str(self._root), recursive=True, event_filter=EVENT_TYPES)
            observer.start()
        except OSError:
            observer.on_thread_stop()  # watchdog 7 opens a descriptor and a thread in its constructor
            raise
        self._observer = observer

    def stop(self) -> None:
        """Stop, and end the watchdog threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Report an event."""
        for name in filter(None, (event.src_path, event.dest_path)):
            path = Path(str(name))
            if not path.name.startswith(HIDDEN_PREFIX):
                self._on_event(path, isinstance(event, FileClosedEvent))
