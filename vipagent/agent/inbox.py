"""Delivers the store's events, which come from another thread, to the agent's loop."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable

from vipagent.store.backend import Snapshot
from vipagent.store.layout import Directory
from vipagent.types import StoreState


class Inbox:
    """A `Listener` that delivers events on the loop, in order; of each directory only the latest snapshot.

    Args:
        loop: the agent's loop.
        on_session: called on the loop with the session's state and its details.
        on_snapshot: called on the loop with a directory and its entries.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_session: Callable[[StoreState, str], None],
        on_snapshot: Callable[[Directory, Snapshot], None],
    ) -> None:
        self._loop = loop
        self._on_session = on_session
        self._on_snapshot = on_snapshot
        self._lock = threading.Lock()
        self._waiting: deque[tuple[StoreState, str] | tuple[Directory, Snapshot]] = deque()

    def session(self, state: StoreState, detail: str) -> None:
        """Deliver the session's state; called on any thread."""
        with self._lock:
            self._waiting.append((state, detail))
        self._wake()

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Deliver a snapshot of a directory; called on any thread."""
        with self._lock:
            for waiting in [item for item in self._waiting if item[0] == directory]:
                self._waiting.remove(waiting)
            self._waiting.append((directory, entries))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            items, self._waiting = self._waiting, deque()
        for first, second in items:
            if isinstance(first, StoreState) and isinstance(second, str):
                self._on_session(first, second)
            elif isinstance(first, Directory) and not isinstance(second, str):
                self._on_snapshot(first, second)
