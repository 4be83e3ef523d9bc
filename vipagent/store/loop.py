"""An asyncio loop in a thread of its own, where a backend's state lives."""

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
    """Calls are kept until it starts, and dropped once it has ended."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._early: deque[Callable[[], object]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ended = False

    def start(
        self, main: Callable[[], Coroutine[Any, Any, None]], last: Callable[[], None] = lambda: None
    ) -> None:
        """Run `main` on the loop until it returns, then end the loop, then call `last` in the same thread."""
        runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        with self._lock:
            self._loop = runner.get_loop()
            while self._early:
                self._loop.call_soon_threadsafe(self._early.popleft())
        self._thread = threading.Thread(
            target=self._run, args=(runner, main, last), name=self._name, daemon=True
        )
        self._thread.start()

    def post(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have a function called on the loop, in the order of posting. From any thread, at once."""
        posted = partial(call, *args, **kwargs)
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(posted)
            elif not self._ended:
                self._early.append(posted)

    def run(self, request: Callable[[], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Run a coroutine on the loop, and return what it returns.

        Raises:
            CancelledError: the loop does not run, or ends meanwhile.
            TimeoutError: it takes longer than so many seconds.
        """
        with self._lock:
            if self._loop is None:
                raise CancelledError
            running = asyncio.run_coroutine_threadsafe(request(), self._loop)
        return running.result(timeout)

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; return whether it has ended, or was never started."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(
        self, runner: asyncio.Runner, main: Callable[[], Coroutine[Any, Any, None]], last: Callable[[], None]
    ) -> None:
        try:
            with runner:
                try:
                    runner.run(main())
                finally:
                    with self._lock:
                        self._loop, self._ended = None, True
        finally:
            last()
