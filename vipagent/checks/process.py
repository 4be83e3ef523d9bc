"""Runs a command with a timeout, without a thread, and cleans up all of its processes (C1, E6)."""

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

MAX_OUTPUT = 2048
"""Maximum number of bytes kept from the end of a command's output."""
PIPE_SIZE = 65536
"""Capacity of a pipe in bytes: one read of this size empties it."""
REAP_TIMEOUT = 1.0
"""Timeout in seconds to reap a killed command; after that it is reaped in the background."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Result of a command."""

    status: int | None
    """Exit status; negative: number of the signal; None: killed after the timeout."""
    output: bytes
    """The end of its output to stdout and stderr."""

    @property
    def tail(self) -> str:
        """The end of the output as one printable line of at most 512 characters."""
        return text.tail(self.output)


async def run(
    command: str | Sequence[str],
    env: Mapping[str, str],
    within: float,
    keep: int = MAX_OUTPUT,
    errors: int | None = subprocess.STDOUT,
) -> Finished:
    """Run a command and return its result.

    The command runs in a new session, with stdin from /dev/null, and stdout and stderr to a pipe (E6). Its
    background processes are not waited for, and their pipe is closed. After the timeout or a cancellation,
    the whole process group is killed and the command is reaped.

    Args:
        command: a shell command, or a program with arguments.
        env: additions to the agent's environment.
        within: timeout in seconds.
        keep: maximum number of bytes of output to keep.
        errors: destination of stderr; default: the same as stdout; None: the agent's stderr.

    Raises:
        OSError: the command cannot be started.
        ValueError: the command contains a NUL character.
    """
    arguments = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    child = _Child(_start(arguments, env, errors), keep)
    in_time = False
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await child.ended.wait()
            in_time = True
    finally:
        await child.close()
    return Finished(child.status if in_time else None, child.output)


class _Child:
    """A child process whose exit and output are watched by the event loop.

    Uses a pidfd, because asyncio's child watchers need a thread per child, at least up to Python 3.11.
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
        """Kill the process if it runs, and release all resources."""
        if not self.ended.is_set():
            self._kill()
        self._loop.remove_reader(self._pipe)
        self._pipe.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REAP_TIMEOUT):
                await self.ended.wait()

    def _kill(self) -> None:
        # Not reaped yet, so the group ID is still valid. A command of another user cannot be killed.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _drain(self) -> None:
        data = self._pipe.read(PIPE_SIZE)
        if data:
            self.output = (self.output + data)[-self._keep :]
        elif data is not None:  # end of file; None: no data available
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
