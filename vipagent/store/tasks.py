"""Run a driver's coroutines: with a time limit, without an end, or until the first of several fails."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Never, TypeVar

from vipagent.store.driver import Disconnected

T = TypeVar("T")


class Tasks(asyncio.TaskGroup):
    """A task group that raises the first exception itself instead of an exception group."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all tasks; cancel the others when one fails."""
        try:
            await super().__aexit__(kind, error, trace)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None


async def bounded(request: Coroutine[Any, Any, T], time_limit: float) -> T:
    """Return the result of a driver's request.

    Raises:
        Disconnected: no result within `time_limit` seconds, or the driver cancelled the request.
    """
    try:
        with _no_foreign_cancellation():
            async with asyncio.timeout(time_limit):
                return await request
    except TimeoutError:
        raise Disconnected(f"no answer within {time_limit:.2g} s") from None


async def run_forever(following: Coroutine[Any, Any, Never]) -> Never:
    """Run a coroutine that must not return.

    Raises:
        Disconnected: it returned, or the driver cancelled it.
    """
    with _no_foreign_cancellation():
        await following
    raise Disconnected("the driver stopped following")


@contextmanager
def _no_foreign_cancellation() -> Iterator[None]:
    """Raise `Disconnected` when a coroutine cancels itself: a task group ignores a cancelled task."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0  # task groups of Python 3.11 leave some behind
    try:
        yield
    except asyncio.CancelledError:
        if task is None or task.cancelling() > before:
            raise
        raise Disconnected("the driver cancelled the request") from None
