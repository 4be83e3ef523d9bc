"""Log handlers that never block; lines that cannot be written are dropped and counted (E4)."""

import contextlib
import logging
import os
import select
import socket
from abc import abstractmethod

STDERR = 2
ROOM_TIMEOUT = 0.02
"""Maximum wait in seconds for the reader of the log; no wait while lines are being dropped."""

_FIRST = "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp"
FACILITIES = {name: code for code, name in enumerate(_FIRST.split())} | {
    f"local{n}": 16 + n for n in range(8)
}
"""Syslog facilities by name (RFC 5424, 6.2.1)."""
SYSLOG_SEVERITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
DEBUG = 7


class NonBlockingHandler(logging.Handler):
    """Writes one line per record, and later logs the number of dropped lines."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = 0

    @abstractmethod
    def send(self, level: int, line: str, timeout: float) -> None:
        """Write one line.

        Args:
            level: level of the record.
            line: the line without line end.
            timeout: maximum wait in seconds.

        Raises:
            OSError: the line cannot be written.
        """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; never raises."""
        try:
            line = self.format(record)
            if self._lost:
                self._send_count()
            self.send(record.levelno, line, 0 if self._lost else ROOM_TIMEOUT)
        except Exception:  # noqa: BLE001 - an error while logging must not stop the agent
            self._lost += 1

    def _send_count(self) -> None:
        record = logging.LogRecord(
            __name__, logging.WARNING, __file__, 0, "log lines dropped: %d", (self._lost,), None
        )
        self.send(record.levelno, self.format(record), 0)
        self._lost = 0


class StderrHandler(NonBlockingHandler):
    """Writes lines to stderr.

    The descriptor is shared with ExaBGP, so it must stay blocking: it is polled before each write. A writable
    pipe accepts PIPE_BUF bytes without blocking.
    """

    def __init__(self, descriptor: int = STDERR) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)
        self._is_truncated = False

    def send(self, level: int, line: str, timeout: float) -> None:
        """Write as much of a line as possible."""
        left = f"{line}\n".encode(errors="backslashreplace")
        if self._is_truncated:  # the previous line was truncated
            left = b"\n" + left
        while left:
            if not self._room.poll(timeout * 1000):
                raise BlockingIOError
            written = os.write(self._descriptor, left[: select.PIPE_BUF])
            left = left[written:]
            self._is_truncated = bool(left)


class SyslogHandler(NonBlockingHandler):
    """Sends lines to the local syslog.

    Args:
        facility: its name, for example `daemon` or `local0`.
        address: path of the socket; it may be created later.
    """

    def __init__(self, facility: str, address: str = "/dev/log") -> None:
        super().__init__()
        self._facility = FACILITIES[facility]
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, level: int, line: str, timeout: float) -> None:
        """Send one datagram; connect if needed."""
        datagram = f"<{self._facility * 8 + _severity(level)}>vipagent[{os.getpid()}]: {line}"
        self._socket.sendto(datagram.encode(errors="backslashreplace"), self._address)

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()
        super().close()


def _severity(level: int) -> int:
    """Return the syslog severity of a logging level."""
    return next((severity for floor, severity in SYSLOG_SEVERITIES.items() if level >= floor), DEBUG)
