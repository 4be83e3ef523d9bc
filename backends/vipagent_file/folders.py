"""The store's tree as files: reading a directory, and what is alive in it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE
from vipagent.store.layout import Kind
from vipagent_file import locks

EPHEMERAL = frozenset({Kind.MEMBERS, Kind.STATES})
"""The kinds whose entries live only as long as somebody holds them locked."""
HIDDEN = "."
"""What a name of a file begins with that is no entry."""


@dataclass(frozen=True, slots=True)
class Found:
    """A live entry's file."""

    inode: int
    value: bytes


def scan(folder: Path, kind: Kind) -> dict[str, Found]:
    """Return the live entries of a directory; one that is not there is empty.

    Leftovers of dead agents are removed on the way.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if _is_entry(entry))
    except FileNotFoundError:
        return {}
    looks = ((name, _look(folder / name, kind)) for name in islice(names, MAX_ENTRIES))
    return {name: found for name, found in looks if found is not None}


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """Open a file for a moment: never a link, never waiting, for no child to inherit."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Say whether the open file is the one that the path leads to."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False


def _is_entry(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError, UnicodeError):
        entry.name.encode()
        return not entry.name.startswith(HIDDEN) and entry.is_file(follow_symlinks=False)
    return False


def _look(path: Path, kind: Kind) -> Found | None:
    with suppress(OSError), opened(path, os.O_RDONLY) as descriptor:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        if kind in EPHEMERAL and not locks.held(descriptor):
            _bury(path)
            return None
        return Found(status.st_ino, os.read(descriptor, MAX_VALUE))
    return None


def _bury(path: Path) -> None:
    """Remove a dead agent's file, unless somebody takes it over in this very moment."""
    with suppress(OSError), opened(path, os.O_RDWR) as descriptor:
        if locks.take(descriptor) and is_at(descriptor, path):
            path.unlink()
