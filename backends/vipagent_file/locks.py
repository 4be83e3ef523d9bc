"""Locks that the kernel releases exactly when their holder exits.

An entry is alive while its file has an open file description lock: testing such a lock has no side effect,
and it works between holders in one process. A directory is locked by flock while its names change.
"""

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_TIMEOUT = 0.25
"""Timeout in seconds for the lock of a directory: agents hold it for about a millisecond unless stopped."""
LOCK_BACKOFF = 1.0
"""Time in seconds without waiting for a directory after a timeout: repeated waits on one thread would expire
the session."""
LOCK_POLL_INTERVAL = 0.001
_FLOCK = struct.Struct("hhlli0l")
"""struct flock of fcntl(2): type, whence, start, length, pid."""
_WHOLE_FILE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_no_wait_until: dict[Path, float] = {}
"""End of the time without waiting, by directory."""


def lock(descriptor: int) -> None:
    """Lock a new file until its open file description is closed."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)


def is_locked_elsewhere(descriptor: int) -> bool:
    """Return whether another open file description holds the file's lock."""
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE)
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK


@contextmanager
def locked_names(folder: Path) -> Iterator[None]:
    """Prevent other agents from changing the names in a directory.

    Raises:
        TimeoutError: another agent holds the lock for longer than `LOCK_TIMEOUT`.
        OSError: the directory does not exist, or is not readable.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    began = time.monotonic()
    waits = began >= _no_wait_until.get(folder, 0.0)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waits and time.monotonic() <= began + LOCK_TIMEOUT:
                time.sleep(LOCK_POLL_INTERVAL)
                continue
            if waits:
                _no_wait_until[folder] = time.monotonic() + LOCK_BACKOFF
            message = "locked by another agent, which may be stopped"
            raise TimeoutError(0, message, str(folder)) from None
        else:
            _no_wait_until.pop(folder, None)
            return
