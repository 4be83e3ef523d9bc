"""What an agent does that cannot start, where ending would take ExaBGP down with it (E6)."""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from vipagent.config.problems import ConfigError, describe
from vipagent.exabgp.pipe import Pipe

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks at the refused file: it may be replaced, or on a file system without events."""


async def wait_for_better(error: ConfigError, source: Path | None, reader: int, writer: int) -> bool:
    """Announce nothing, say why, and wait.

    Args:
        error: why the agent cannot start.
        source: the configuration's file.
        reader: the descriptor of ExaBGP's replies.
        writer: the descriptor of our commands.

    Returns:
        Whether it is time to end; otherwise the file has changed or a SIGHUP came, so try again.
    """
    for line in describe(error.problems).splitlines():
        log.error("%s", line)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[bool] = loop.create_future()

    def answer(*, end: bool) -> None:
        if not ended.done():
            ended.set_result(end)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: answer(end=True))
    loop.add_signal_handler(signal.SIGHUP, lambda: answer(end=False))
    pipe = Pipe(
        reader, writer, on_line=lambda _line: None, on_room=lambda: None, on_end=lambda: answer(end=True)
    )
    pipe.open()  # ExaBGP blocks if nobody reads what it says
    watch = loop.create_task(_watch(source, lambda: answer(end=False)))
    try:
        return await ended
    finally:
        watch.cancel()
        pipe.close()


async def _watch(source: Path | None, tell: Callable[[], None]) -> None:
    before = _stamp(source)
    while _stamp(source) == before:  # noqa: ASYNC110 - no event tells that a file has changed
        await asyncio.sleep(LOOK_EVERY)
    tell()


def _stamp(source: Path | None) -> tuple[int, int, int] | None:
    try:
        found = source.stat() if source else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None
