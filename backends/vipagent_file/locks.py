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
RESPITE = 1.0
"""Seconds for which nobody waits again for a folder for which somebody has waited in vain: many waits, one
after the other on one thread, would cost the session."""
PAUSE = 0.001
_FLOCK = struct.Struct("hhlli0l")
"""struct flock of fcntl(2): type, whence, start, length, pid."""
_WHOLE_FILE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_unwaited: dict[Path, float] = {}
"""Until when nobody waits for a folder."""


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
    began = time.monotonic()
    waits = began >= _unwaited.get(folder, 0.0)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waits and time.monotonic() <= began + PATIENCE:
                time.sleep(PAUSE)
                continue
            if waits:
                _unwaited[folder] = time.monotonic() + RESPITE
            told = "another agent, stopped perhaps, keeps it locked"
            raise TimeoutError(0, told, str(folder)) from None
        else:
            _unwaited.pop(folder, None)
            return
