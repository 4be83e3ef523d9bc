"""Runs a command without a thread, never for longer than it may, and leaves nothing of it behind (C1, E6)."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import cast

from vipagent.checks import text

KEPT = 2048
"""Bytes of a command's output that are kept: its end."""
PIPE = 65536
"""Bytes that a pipe holds: one read of so many empties it."""
REAPING = 1.0
"""Seconds that a killed command gets to be gone; after that, it is reaped whenever it ends."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended."""

    status: int | None
    """Its exit status; the negative number of the signal that ended it; None: out of time, and killed."""
    output: bytes
    """The end of what it wrote to stdout and stderr."""

    @property
    def tail(self) -> str:
        """The end of the output as one printable line of at most 512 characters."""
        return text.tail(self.output)


async def run(
    command: str | Sequence[str],
    env: Mapping[str, str],
    time_limit: float,
    keep: int = KEPT,
    errors: int | None = subprocess.STDOUT,
) -> Finished:
    """Run a command and return how it ended.

    It runs in a session of its own, stdin is /dev/null, stdout and stderr are a pipe of ours (E6). What it
    leaves in the background is not waited for, and loses that pipe. Out of time or cancelled, its whole
    process group is killed and the command reaped.

    Args:
        command: for the shell; or the program and its arguments.
        env: added to the agent's own environment.
        time_limit: seconds.
        keep: bytes of its output that are kept.
        errors: where its stderr goes: by default to where stdout goes; None: to the agent's own.

    Raises:
        OSError: it cannot be started.
        ValueError: it cannot be a command (a NUL in it).
    """
    arguments = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    child = _Child(_start(arguments, env, errors), keep)
    in_time = False
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(time_limit):
                await child.ended.wait()
            in_time = True
    finally:
        await child.close()
    return Finished(child.status if in_time else None, child.output)


class _Child:
    """A child process whose end and output the loop notices.

    By a pidfd: the child watchers of asyncio take a thread for each child, up to Python 3.11 at least.
    """

    def __init__(self, process: subprocess.Popen[bytes], keep: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._keep = keep
        self._process = process
        self._pipe = cast("FileIO", self._process.stdout)
        self.output = b""
        self.ended = asyncio.Event()
        try:
            self._pidfd = os.pidfd_open(self._process.pid)
        except OSError:
            self._kill()
            self._process.wait()
            self._pipe.close()
            raise
        os.set_blocking(self._pipe.fileno(), False)
        self._loop.add_reader(self._pipe, self._drain)
        self._loop.add_reader(self._pidfd, self._reap)

    @property
    def status(self) -> int | None:
        return self._process.returncode

    async def close(self) -> None:
        """Kill what still runs, and let go of everything."""
        if not self.ended.is_set():
            self._kill()
        self._loop.remove_reader(self._pipe)
        self._pipe.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REAPING):
                await self.ended.wait()

    def _kill(self) -> None:
        # Not yet reaped, so the group's number is still its own. A command of another user cannot be killed.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _drain(self) -> None:
        data = self._pipe.read(PIPE)
        if data:
            self.output = (self.output + data)[-self._keep :]
        elif data is not None:  # the end; None: nothing there just now
            self._loop.remove_reader(self._pipe)

    def _reap(self) -> None:
        if self._process.poll() is None:
            return
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        if not self._pipe.closed:
            self._drain()
        self.ended.set()


def _start(command: Sequence[str], env: Mapping[str, str], errors: int | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        bufsize=0,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
