"""Locks that the kernel lets go of when their holder dies, and not before.

An entry is alive as long as its file is locked, by an open-file-description lock: asking for one disturbs
nobody, and two holders in one process are two. A folder is locked, by flock, while names in it change.
"""

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 0.25
"""Seconds to wait for a folder: others lock it for a millisecond, unless one was stopped just then."""
PAUSE = 0.001
_FLOCK = struct.Struct("hhlli0l")
"""struct flock of fcntl(2): type, whence, start, length, pid."""
_WHOLE_FILE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def take(descriptor: int) -> None:
    """Lock a file that nobody else knows yet, for as long as this open description lives."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)


def held(descriptor: int) -> bool:
    """Say whether somebody else holds the file's lock."""
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE)
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK


@contextmanager
def names_of(folder: Path) -> Iterator[None]:
    """Keep other agents from changing a folder's names.

    Raises:
        TimeoutError: somebody keeps it for longer than `PATIENCE`.
        OSError: there is no such folder, or it is not ours to read.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    0, "another agent, stopped perhaps, keeps it locked", str(folder)
                ) from None
            time.sleep(PAUSE)
        else:
            return
