"""The status as server-sent events, one for each change."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

BATCH_DELAY = 0.1
"""Delay in seconds to batch changes into one event: the failure of a node causes several changes."""
KEEPALIVE_INTERVAL = 15.0
"""Interval in seconds of keepalive events without data."""
MAX_VIEWERS = 16


class Stream:
    """Sends each change to all viewers. Without viewers it is idle.

    Args:
        status_json: returns the current status as one line of JSON.
    """

    def __init__(self, status_json: Callable[[], str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._status_json = status_json
        self._viewers = 0
        self._version = 0
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """Whether the maximum number of viewers is reached."""
        return self._viewers >= MAX_VIEWERS

    def change(self) -> None:
        """Schedule an event."""
        if self._viewers and self._timer is None:
            self._timer = self._loop.call_later(BATCH_DELAY, self._tell)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield the status now and after each change; a slow viewer receives only the latest one.

        The caller must close it (`contextlib.aclosing`) when the viewer disconnects.
        """
        self._viewers += 1
        try:
            while True:
                seen = self._version
                yield f"event: status\ndata: {self._status_json()}\n\n".encode()
                while seen == self._version:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(KEEPALIVE_INTERVAL):
                            await self._changed.wait()
                    if seen == self._version:
                        yield b"event: alive\ndata: .\n\n"
        finally:
            self._viewers -= 1

    def _tell(self) -> None:
        self._timer = None
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()
