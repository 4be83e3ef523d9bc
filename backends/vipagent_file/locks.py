"""Open-file-description locks: the kernel lets go of them the moment their holder dies, and not before.

Asking who holds one disturbs nobody, and two holders in one process are two.
"""

import fcntl
import os
import struct

_FLOCK = struct.Struct("hhlli0l")
"""struct flock of fcntl(2): type, whence, start, length, pid."""


def take(descriptor: int) -> bool:
    """Lock the whole file for this open description alone; return whether that went well. Never waits."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole_file())
    except (BlockingIOError, PermissionError):
        return False
    return True


def held(descriptor: int) -> bool:
    """Say whether somebody else holds the file's lock."""
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _whole_file())
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK


def _whole_file() -> bytes:
    return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
