"""When to read the configuration again: its file has changed, or a SIGHUP came (E3, E6)."""

import asyncio
import contextlib
from pathlib import Path

LOOK_EVERY = 2.0
"""Seconds between two looks at the file: it may be replaced, or on a file system without events."""
TRY_EVERY = 60.0
"""Seconds after which another attempt is due all the same: what was missing need not be in the file."""


class Changes:
    """Tells whether anything has changed since the configuration was last read.

    Args:
        source: the configuration's file, if there is one.
    """

    def __init__(self, source: Path | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._read = _stamp(source)
        self.hung_up = asyncio.Event()
        """Set by a SIGHUP."""

    def reading(self) -> None:
        """Note that the configuration is about to be read: what comes from now on is a change."""
        self.hung_up.clear()
        self._read = _stamp(self._source)

    async def due(self) -> None:
        """Return when another attempt is due, after one that has failed."""
        until = self._loop.time() + TRY_EVERY
        while not self.hung_up.is_set() and _stamp(self._source) == self._read and self._loop.time() < until:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self.hung_up.wait()


def _stamp(source: Path | None) -> tuple[int, int] | None:
    """Return what differs after any change, of content, owner or mode; None: there is no file."""
    try:
        found = source.stat() if source else None
    except OSError:
        return None
    return (found.st_ctime_ns, found.st_ino) if found else None
