"""The backend's own thread: everything that is asked of it, one thing after the other, and later again."""

import heapq
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

Task = Callable[[], None]


class Worker:
    """Runs tasks in the order in which they were posted, delayed ones when their time has come."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._later: list[tuple[float, int, Task]] = []
        self._count = itertools.count()
        self._thread = threading.Thread(target=self._run, name="vipagent-file", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, task: Task) -> None:
        """Run a task soon; called on any thread."""
        self._tasks.put(task)

    def post_later(self, seconds: float, task: Task) -> None:
        """Run a task after a while; called on the worker's own thread."""
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._count), task))

    def stop(self, timeout: float) -> None:
        """Run what was posted until now, and end."""
        self._tasks.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=self._patience())
            except queue.Empty:
                task = heapq.heappop(self._later)[2]
            if task is None:
                return
            try:
                task()
            except Exception:
                log.exception("internal error of the file store")

    def _patience(self) -> float | None:
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
