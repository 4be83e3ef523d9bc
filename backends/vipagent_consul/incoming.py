"""What a server says, read within limits of time and size that `http.client` does not have."""

import http.client
import io
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_HEAD = 64 * 1024
"""Bytes of an answer's head, `100 Continue` before it included."""


class Incoming(io.RawIOBase):
    """What a server says, as far as it comes in time, and a head before a body.

    A socket's own time-out is for each read, and starts anew: `100 Continue` without end, which the library
    reads on and on, and a byte now and then would both hold a call for ever.
    """

    allowed = MAX_HEAD
    """Bytes that may still be read."""

    def __init__(self, sock: socket.socket, arm: Callable[[], None]) -> None:
        self._raw = sock.makefile("rb", buffering=0)
        self._arm = arm

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the file that the library reads."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """Read once, within what is left of the call's time."""
        if self.allowed <= 0:
            raise http.client.HTTPException("too long, or without a final status")
        self._arm()
        read = self._raw.readinto(buffer)
        self.allowed -= read or 0
        return read

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()
