"""Triggers reloads of the configuration: after a change of the file, or SIGHUP (E3, E6)."""

import asyncio
import contextlib
from pathlib import Path

FILE_POLL_INTERVAL = 2.0
"""Polling interval of the file in seconds: it may be replaced, or on a file system without events."""
CONFIG_RETRY_INTERVAL = 60.0
"""Interval in seconds of retries without a change: the cause may be outside of the file."""


class ConfigWatcher:
    """Detects changes since the configuration was last read.

    Args:
        source: the configuration file, if any.
    """

    def __init__(self, source: Path | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.source = source
        """The configuration file, if any."""
        self._read = _fingerprint(source)
        self.reload_requested = asyncio.Event()
        """Set by SIGHUP."""

    def reading(self) -> None:
        """Mark that the configuration is about to be read: later changes trigger a reload."""
        self.reload_requested.clear()
        self._read = _fingerprint(self.source)

    async def due(self) -> None:
        """Wait until a retry is due after a failed attempt."""
        until = self._loop.time() + CONFIG_RETRY_INTERVAL
        while (
            not self.reload_requested.is_set()
            and _fingerprint(self.source) == self._read
            and self._loop.time() < until
        ):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FILE_POLL_INTERVAL):
                    await self.reload_requested.wait()


def _fingerprint(source: Path | None) -> tuple[int, int] | None:
    """Return a value that differs after any change of content, owner or mode; None: no file."""
    try:
        found = source.stat() if source else None
    except OSError:
        return None
    return (found.st_ctime_ns, found.st_ino) if found else None
