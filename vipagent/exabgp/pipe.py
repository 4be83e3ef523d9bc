"""Non-blocking line I/O on the two pipes to ExaBGP, which no child process inherits (E3, E4, E6, E8)."""

import asyncio
import contextlib
import fcntl
import os
import select
import stat
from collections.abc import Callable

MAX_LINE = 1 << 20
"""Maximum length of a line in bytes; the rest of a longer line is dropped."""
PIPE_CAPACITY = 1 << 16
"""Bytes read or written in one system call: the default capacity of a Linux pipe."""
MAX_READS = 16
"""Maximum number of reads in `read_available`, in case ExaBGP keeps writing."""


def detach_stdio() -> tuple[int, int]:
    """Move stdin and stdout to descriptors that no child inherits, and replace them with /dev/null.

    ExaBGP detects that the agent exited when its pipes are closed, so no child may keep one open (E6), and
    only commands may be written to them (E8).

    Returns:
        The descriptors for reading ExaBGP's output and for writing commands.
    """
    duplicates = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3) for number in (0, 1)]
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    os.close(null)
    return duplicates[0], duplicates[1]


class Pipe:
    """Reads and writes lines on two descriptors in the running event loop.

    Args:
        reader: the descriptor of ExaBGP's output.
        writer: the descriptor for commands.
        on_lines: called with all complete lines of one read, without line terminators.
        on_drained: called when all buffered lines are written.
        on_eof: called once when ExaBGP has closed its end.
    """

    def __init__(
        self,
        reader: int,
        writer: int,
        on_lines: Callable[[list[str]], None],
        on_drained: Callable[[], None],
        on_eof: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_lines = on_lines
        self._on_drained = on_drained
        self._on_eof = on_eof
        self._loop = asyncio.get_running_loop()
        self._input = b""
        self._output = b""
        self.closed = False
        """Whether ExaBGP has closed its end, or `close` was called."""

    def open(self) -> None:
        """Start reading. Files and terminals are supported, too, for manual tests."""
        for descriptor in (self._reader, self._writer):
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
                os.set_blocking(descriptor, False)
        try:
            self._loop.add_reader(self._reader, self._read)
        except PermissionError:  # epoll does not support regular files and /dev/null
            self._loop.call_soon(self._poll_file)

    @property
    def congested(self) -> bool:
        """Whether lines are buffered because ExaBGP does not read (E4); write no more until it is drained."""
        return bool(self._output)

    def read_available(self) -> None:
        """Read all available input now, without waiting for the event loop."""
        for _ in range(MAX_READS):
            if self.closed or not select.select([self._reader], [], [], 0)[0]:
                return
            self._read()

    def write(self, lines: list[str]) -> None:
        """Write lines, and buffer those that do not fit into the pipe."""
        self._output += "".join(f"{line}\n" for line in lines).encode("ascii", "backslashreplace")
        self._flush()

    def close(self) -> None:
        """Stop reading and writing, and drop the buffered lines. Keeps the descriptors open."""
        self.closed = True
        with contextlib.suppress(ValueError, OSError):
            self._loop.remove_reader(self._reader)
        with contextlib.suppress(ValueError, OSError):
            self._loop.remove_writer(self._writer)

    def _flush(self) -> None:
        try:
            while self._output and not self.closed:
                self._output = self._output[os.write(self._writer, self._output[:PIPE_CAPACITY]) :]
        except BlockingIOError:
            self._loop.add_writer(self._writer, self._on_writable)
        except OSError:  # EPIPE: ExaBGP has closed its end
            self._handle_eof()

    def _on_writable(self) -> None:
        self._loop.remove_writer(self._writer)
        self._flush()
        if not self._output:
            self._on_drained()

    def _read(self) -> None:
        try:
            data = os.read(self._reader, PIPE_CAPACITY)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._split_lines(data)
        else:
            self._handle_eof()

    def _poll_file(self) -> None:
        """Read once per loop iteration, because a file may be long or, like /dev/zero, infinite."""
        if not self.closed:
            self._read()
            self._loop.call_soon(self._poll_file)

    def _split_lines(self, data: bytes) -> None:
        *lines, self._input = (self._input + data).split(b"\n")
        self._input = self._input[:MAX_LINE]
        if lines:
            self._on_lines([line.decode("utf-8", "replace") for line in lines])

    def _handle_eof(self) -> None:
        if not self.closed:
            self.close()
            self._on_eof()
