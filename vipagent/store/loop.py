"""An asyncio loop in its own thread."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class LoopThread:
    """Runs a coroutine on an asyncio loop in a daemon thread.

    Calls posted before the start are queued; calls posted after the end are dropped.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._queued: deque[Callable[[], object]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ended = False

    def start(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start the thread: run `main` on the loop, then close the loop."""
        runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        with self._lock:
            self._loop = runner.get_loop()
            while self._queued:
                self._loop.call_soon_threadsafe(self._queued.popleft())
        self._thread = threading.Thread(target=self._run, args=(runner, main), name=self._name, daemon=True)
        self._thread.start()

    def post(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Schedule a call on the loop, in order. Thread-safe; never blocks."""
        posted = partial(call, *args, **kwargs)
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(posted)
            elif not self._ended:
                self._queued.append(posted)

    def run(self, request: Callable[[], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Run a coroutine on the loop, and return its result.

        Raises:
            CancelledError: the loop is not running, or ended before the result.
            TimeoutError: no result within `timeout` seconds.
        """
        with self._lock:
            if self._loop is None:
                raise CancelledError
            running = asyncio.run_coroutine_threadsafe(request(), self._loop)
        return running.result(timeout)

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; return whether it has ended, or was never started."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self, runner: asyncio.Runner, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with runner:
            try:
                runner.run(main())
            finally:
                with self._lock:
                    self._loop, self._ended = None, True
