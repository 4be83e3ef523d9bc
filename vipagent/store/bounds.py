"""What a driver may do with our time: answer soon, or follow for ever. Whatever else it does is a fault."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Never, TypeVar

from vipagent.store.driver import Disconnected

T = TypeVar("T")


async def answered(request: Coroutine[Any, Any, T], within: float) -> T:
    """Wait for an answer.

    Raises:
        Disconnected: it did not come within so many seconds.
    """
    try:
        with _cancelled_by_us_alone():
            async with asyncio.timeout(within):
                return await request
    except TimeoutError:
        raise Disconnected(f"no response within {within:.2g} s") from None


async def unending(following: Coroutine[Any, Any, Never]) -> Never:
    """Have it go on.

    Raises:
        Disconnected: it has returned: nobody would be told anything any more.
    """
    with _cancelled_by_us_alone():
        await following
    raise Disconnected("the driver follows no longer")


@contextmanager
def _cancelled_by_us_alone() -> Iterator[None]:
    """Take a cancellation that nobody has asked for as a fault: a task group would not notice it."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0  # task groups of Python 3.11 leave some behind
    try:
        yield
    except asyncio.CancelledError:
        if task is None or task.cancelling() > before:
            raise
        raise Disconnected("the driver has cancelled it") from None
