"""The store's tree as files: setting a name in a folder, reading what is alive there.

Modes do not depend on the umask (ExaBGP's helpers have 0137): a group may share the store.
"""

import errno
import os
import stat
from contextlib import suppress
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
FILE_MODE = 0o664
FOLDER_MODE = 0o775
SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Never through a link, never waiting for a pipe's other end, for no child to inherit."""


@dataclass(frozen=True, slots=True)
class Version:
    """What tells a file from all that had its name before, and from itself before it was written to."""

    inode: int
    changed: int
    """The time of its last change, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class File:
    """An entry's file."""

    value: bytes
    version: Version
    alive: bool


@dataclass(frozen=True, slots=True)
class LockedEntry:
    """A file that we have made; it is held locked for as long as its descriptor is open."""

    descriptor: int
    version: Version

    @property
    def inode(self) -> int:
        """The file's inode, which no other file has while this is open."""
        return self.version.inode

    def release(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


def put(path: Path, value: bytes, *, hold: bool) -> LockedEntry:
    """Give a new file this name, maybe in the place of another.

    It is complete before it has the name: nobody ever reads half a value, or sees an entry without its
    holder. It is renamed, not linked: inotify tells of its closing under the name that it was opened by or
    renamed to. To be called with its folder's names locked.

    Args:
        path: the file's path.
        value: what it shall have in it.
        hold: keep it open and locked, as an ephemeral entry; else it is closed.

    Raises:
        OSError: it is not for us to write there.
    """
    new = path.with_name(HIDDEN + path.name)
    with suppress(FileNotFoundError):
        new.unlink()  # of somebody who died at this very point
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE)
    try:
        os.fchmod(descriptor, FILE_MODE)
        if hold:
            locks.take(descriptor)
        if os.write(descriptor, value) < len(value):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        new.rename(path)
        entry = LockedEntry(descriptor, _version(os.fstat(descriptor)))
    except OSError:
        os.close(descriptor)
        raise
    if not hold:
        entry.release()
    return entry


def remove(path: Path, inode: int) -> None:
    """Remove a file if it is still this one; what is in the way of it is ignored."""
    with suppress(OSError), locks.names_of(path.parent):
        if is_at(path, inode):
            path.unlink()


def is_in_the_way(path: Path, kind: Kind) -> bool:
    """Whether something has this name that is no entry, dead or alive."""
    return look(path, kind) is None and os.path.lexists(path)


def scan(folder: Path, kind: Kind) -> dict[str, File]:
    """Return the live entries of a folder; one that is not there is empty.

    Leftovers of dead agents are removed on the way.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if _is_entry(entry))
    except FileNotFoundError:
        return {}
    looks = ((name, look(folder / name, kind)) for name in islice(names, MAX_ENTRIES))
    seen = {name: found for name, found in looks if found is not None}
    dead = [name for name, found in seen.items() if not found.alive]
    if dead:
        _bury(folder, kind, dead)
    return {name: found for name, found in seen.items() if found.alive}


def look(path: Path, kind: Kind) -> File | None:
    """Return what has this name; None if that is nothing, no file, or not for us to read."""
    with suppress(OSError):
        while True:
            descriptor = os.open(path, os.O_RDONLY | SAFE)
            try:
                found = _read(descriptor, kind)
                if found is None or found.alive or is_at(path, found.version.inode):
                    return found
            finally:  # else what was read had just been replaced, and let go of
                os.close(descriptor)
    return None


def is_at(path: Path, inode: int) -> bool:
    """Whether the path leads to that file."""
    with suppress(OSError):
        return path.lstat().st_ino == inode
    return False


def _read(descriptor: int, kind: Kind) -> File | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    alive = kind not in EPHEMERAL or locks.held(descriptor)
    return File(os.read(descriptor, MAX_VALUE), _version(status), alive)


def _version(status: os.stat_result) -> Version:
    return Version(status.st_ino, status.st_mtime_ns)


def _is_entry(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError, UnicodeError):
        entry.name.encode()
        return not entry.name.startswith(HIDDEN) and entry.is_file(follow_symlinks=False)
    return False


def _bury(folder: Path, kind: Kind, names: list[str]) -> None:
    """Remove dead agents' files; whose they are does not matter, but they must still be dead."""
    with suppress(OSError), locks.names_of(folder):
        for name in names:
            found = look(folder / name, kind)
            if found is not None and not found.alive:
                (folder / name).unlink()
