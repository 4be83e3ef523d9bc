"""A thread for file system calls, which can block: the agent must neither wait for them nor hang at exit."""

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class FileThread:
    """Runs calls sequentially on a daemon thread, which starts with the first call."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ended = False

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call on the thread, and return its result or raise its exception.

        If cancelled, a call that has not started is skipped.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def execute() -> None:
            if answer.cancelled():
                return
            outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
            try:
                outcome.set_result(call(*args, **kwargs))
            except Exception as error:  # noqa: BLE001  raised in the awaiting task
                outcome.set_exception(error)
            loop.call_soon_threadsafe(_settle, answer, outcome)

        self.post(execute)
        return await answer

    def post(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Schedule a call without waiting for it; it must not raise."""
        if not self._ended:
            if self._thread.ident is None:
                self._thread.start()
            self._calls.put(partial(call, *args, **kwargs))

    def end(self, last: Callable[[], object]) -> None:
        """Schedule a last call, then end the thread, even if it is blocked now; later calls are ignored."""
        self.post(last)
        self._ended = True
        self._calls.put(None)

    async def ended(self) -> None:
        """Wait until the thread has ended."""
        while self._thread.is_alive():  # noqa: ASYNC110  threads have no exit event
            await asyncio.sleep(0.002)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _settle(answer: asyncio.Future[T], outcome: concurrent.futures.Future[T]) -> None:
    if answer.done():
        return
    if (error := outcome.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(outcome.result())
