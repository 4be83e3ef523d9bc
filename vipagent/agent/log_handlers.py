"""Where log lines go; a line that cannot go there at once is lost, and counted, not waited for (E4)."""

import contextlib
import logging
import os
import select
import socket
from abc import abstractmethod

STDERR = 2
PATIENCE = 0.02
"""Seconds that a reader gets to make room, once; while lines are being lost, it gets none."""

_FIRST = "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp"
FACILITIES = {name: code for code, name in enumerate(_FIRST.split())} | {
    f"local{n}": 16 + n for n in range(8)
}
"""Syslog's, by name (RFC 5424, 6.2.1)."""
SEVERITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
DEBUG = 7


class Outlet(logging.Handler):
    """Hands on one line for each record, and says later how many were lost."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = 0

    @abstractmethod
    def send(self, level: int, line: str, patience: float) -> None:
        """Hand on one line.

        Args:
            level: of the record.
            line: without its end.
            patience: seconds to wait for room.

        Raises:
            OSError: nobody takes it.
        """

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on a record; never raises."""
        try:
            line = self.format(record)
            if self._lost:
                self._send_count()
            self.send(record.levelno, line, 0 if self._lost else PATIENCE)
        except Exception:  # noqa: BLE001 - nothing that is logged, and nobody who reads it, may stop the agent
            self._lost += 1

    def _send_count(self) -> None:
        record = logging.LogRecord(
            __name__, logging.WARNING, __file__, 0, "log lines lost: %d", (self._lost,), None
        )
        self.send(record.levelno, self.format(record), 0)
        self._lost = 0


class StderrHandler(Outlet):
    """Lines to stderr.

    The descriptor is shared with ExaBGP, so it must not be made non-blocking: room is asked for beforehand.
    A pipe that has room takes PIPE_BUF bytes at once.
    """

    def __init__(self, descriptor: int = STDERR) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)
        self._torn = False

    def send(self, level: int, line: str, patience: float) -> None:
        """Write one line, as far as there is room."""
        left = f"{line}\n".encode(errors="backslashreplace")
        if self._torn:  # the line before was cut off
            left = b"\n" + left
        while left:
            if not self._room.poll(patience * 1000):
                raise BlockingIOError
            written = os.write(self._descriptor, left[: select.PIPE_BUF])
            left = left[written:]
            self._torn = bool(left)


class SyslogHandler(Outlet):
    """Lines to the local syslog.

    Args:
        facility: its name, as `daemon` or `local0`.
        address: the socket; it may be missing, and come later.
    """

    def __init__(self, facility: str, address: str = "/dev/log") -> None:
        super().__init__()
        self._facility = FACILITIES[facility]
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, level: int, line: str, patience: float) -> None:
        """Send one datagram, to whoever listens there by now."""
        datagram = f"<{self._facility * 8 + _severity(level)}>vipagent[{os.getpid()}]: {line}"
        self._socket.sendto(datagram.encode(errors="backslashreplace"), self._address)

    def close(self) -> None:
        """Let go of the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()
        super().close()


def _severity(level: int) -> int:
    """Return syslog's severity for a level of `logging`."""
    return next((severity for floor, severity in SEVERITIES.items() if level >= floor), DEBUG)
