"""The two pipes to ExaBGP: lines in and out, never blocking, and nobody else's (E3, E4, E6, E8)."""

import asyncio
import contextlib
import fcntl
import os
import select
import stat
from collections.abc import Callable

MAX_LINE = 1 << 20
"""Bytes of a line that are kept; the rest of a longer one is dropped."""
CHUNK = 1 << 16
MAX_READS = 16
"""Chunks that are read at once: a pipe holds 64 KiB, and whoever fills it while it is read has to wait."""


def take_over_stdio() -> tuple[int, int]:
    """Move stdin and stdout to descriptors that no child inherits; in their place comes /dev/null.

    ExaBGP notices the agent's death by the end of its pipes, so no child may hold one (E6), and nothing but
    commands may ever be written to them (E8).

    Returns:
        The descriptors to read ExaBGP's replies from and to write commands to.
    """
    taken = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3) for number in (0, 1)]
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    os.close(null)
    return taken[0], taken[1]


class Pipe:
    """Reads and writes lines on two descriptors, on the running loop.

    Args:
        reader: the descriptor of ExaBGP's replies.
        writer: the descriptor of our commands.
        on_lines: called with all the lines that one read brings, without their ends.
        on_room: called when lines that had to wait have all been written.
        on_end: called once when ExaBGP is gone.
    """

    def __init__(
        self,
        reader: int,
        writer: int,
        on_lines: Callable[[list[str]], None],
        on_room: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_lines = on_lines
        self._on_room = on_room
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._incoming = b""
        self._outgoing = b""
        self.ended = False
        """Whether ExaBGP is gone, or the pipe closed."""

    def open(self) -> None:
        """Start to read. A file or a terminal at the other end works, too: for a try by hand."""
        for descriptor in (self._reader, self._writer):
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
                os.set_blocking(descriptor, False)
        try:
            self._loop.add_reader(self._reader, self._read)
        except PermissionError:  # a regular file or /dev/null: always readable, nothing to wait for
            self._loop.call_soon(self._read_all)

    @property
    def congested(self) -> bool:
        """Whether lines wait because ExaBGP does not read (E4): write no more for now."""
        return bool(self._outgoing)

    def read_waiting(self) -> None:
        """Read what has already arrived, though the loop has not come to it yet."""
        for _ in range(MAX_READS):
            if self.ended or not select.select([self._reader], [], [], 0)[0]:
                return
            self._read()

    def write(self, lines: list[str]) -> None:
        """Write whole lines: at once as far as the pipe takes them, the rest when it does."""
        self._outgoing += "".join(f"{line}\n" for line in lines).encode("ascii", "backslashreplace")
        self._flush()

    def close(self) -> None:
        """Stop reading and writing; what is still waiting is dropped. The descriptors stay open."""
        self.ended = True
        with contextlib.suppress(ValueError, OSError):
            self._loop.remove_reader(self._reader)
        with contextlib.suppress(ValueError, OSError):
            self._loop.remove_writer(self._writer)

    def _flush(self) -> None:
        try:
            while self._outgoing and not self.ended:
                self._outgoing = self._outgoing[os.write(self._writer, self._outgoing[:CHUNK]) :]
        except BlockingIOError:
            self._loop.add_writer(self._writer, self._resume)
        except OSError:  # EPIPE: nobody reads any more
            self._end()

    def _resume(self) -> None:
        self._loop.remove_writer(self._writer)
        self._flush()
        if not self._outgoing:
            self._on_room()

    def _read(self) -> None:
        try:
            data = os.read(self._reader, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(data)
        else:
            self._end()

    def _read_all(self) -> None:
        """Read a chunk at each turn of the loop: a file may be long, or, as /dev/zero is, without an end."""
        if not self.ended:
            self._read()
            self._loop.call_soon(self._read_all)

    def _take(self, data: bytes) -> None:
        *lines, self._incoming = (self._incoming + data).split(b"\n")
        self._incoming = self._incoming[:MAX_LINE]
        if lines:
            self._on_lines([line.decode("utf-8", "replace") for line in lines])

    def _end(self) -> None:
        if not self.ended:
            self.close()
            self._on_end()
