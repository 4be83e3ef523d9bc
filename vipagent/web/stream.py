"""The status as server-sent events: one for each change, for whoever looks at the page just now."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

GATHER = 0.1
"""Seconds within which changes are gathered into one event: a node's death is several of them."""
ALIVE = 15.0
"""Seconds of quiet after which an event without news shows that the connection lives."""
MOST_VIEWERS = 16


class Stream:
    """Tells every viewer of each change. Without viewers it does nothing at all.

    Args:
        picture: returns the status now, as one line of JSON.
    """

    def __init__(self, picture: Callable[[], str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._picture = picture
        self._viewers = 0
        self._version = 0
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """Whether nobody else can look on."""
        return self._viewers >= MOST_VIEWERS

    def change(self) -> None:
        """Take notice of a change."""
        if self._viewers and self._timer is None:
            self._timer = self._loop.call_later(GATHER, self._tell)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield the status at once and after each change, for ever; a slow viewer gets the latest alone.

        To be closed (`contextlib.aclosing`) when the viewer is gone.
        """
        self._viewers += 1
        try:
            while True:
                seen = self._version
                yield f"event: status\ndata: {self._picture()}\n\n".encode()
                while seen == self._version:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(ALIVE):
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
