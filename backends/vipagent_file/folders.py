"""The store's tree as files: writes an entry in a directory, lists its live entries.

Modes do not depend on the umask (ExaBGP sets 0137), so that a group can share the store.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE
from vipagent.store.layout import Kind
from vipagent_file import locks

EPHEMERAL = frozenset({Kind.MEMBERS, Kind.STATES})
"""Kinds of entries that exist only while their holder keeps them locked."""
HIDDEN_PREFIX = "."
"""Prefix of file names that are not entries."""
FILE_MODE = 0o664
FOLDER_MODE = 0o775
OPEN_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Do not follow links, do not block on pipes, do not pass the descriptor to children."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """Identifies one version of a file with a given name."""

    inode: int
    changed: int
    """Time of the last change, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class File:
    """An entry's file."""

    value: bytes
    version: FileVersion
    alive: bool


@dataclass(frozen=True, slots=True)
class LockedEntry:
    """An entry of ours: the file is locked while its descriptor is open."""

    descriptor: int
    version: FileVersion

    @property
    def inode(self) -> int:
        """The inode, which is unique while the file is open."""
        return self.version.inode

    def release(self) -> None:
        """Release it."""
        os.close(self.descriptor)


def put(path: Path, value: bytes, *, hold: bool, give: Callable[[int], object] | None = None) -> LockedEntry:
    """Create or replace a file atomically.

    The file is written and locked before it is renamed, so that no agent sees a partial value, or an entry
    without a holder. It is renamed, not linked: inotify reports the close event under the opened or renamed
    name. The caller must hold the lock of the directory.

    Args:
        path: path of the file.
        value: content of the file.
        hold: keep the file open and locked, as an ephemeral entry.
        give: sets the owner of the new file, given its descriptor; None leaves it.

    Raises:
        OSError: the file cannot be written.
    """
    new = path.with_name(HIDDEN_PREFIX + path.name)
    with suppress(FileNotFoundError):
        new.unlink()  # left by an agent that exited at this point
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | OPEN_FLAGS)
    try:
        os.fchmod(descriptor, FILE_MODE)
        if give:
            give(descriptor)
        if hold:
            locks.lock(descriptor)
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
    """Delete a file if it still has this inode; errors are ignored."""
    with suppress(OSError), locks.locked_names(path.parent):
        if is_at(path, inode):
            path.unlink()


def is_other_file(path: Path, kind: Kind) -> bool:
    """Whether the path exists but is not an entry."""
    return look(path, kind) is None and os.path.lexists(path)


def scan(folder: Path, kind: Kind) -> dict[str, File]:
    """Return the live entries of a directory; none if it does not exist.

    Stale files of agents that have exited are deleted.

    Raises:
        OSError: the directory cannot be read.
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
        _purge_dead(folder, kind, dead)
    return {name: found for name, found in seen.items() if found.alive}


def look(path: Path, kind: Kind) -> File | None:
    """Return the file; None if it does not exist, is not a regular file, or is not readable."""
    with suppress(OSError):
        while True:
            descriptor = os.open(path, os.O_RDONLY | OPEN_FLAGS)
            try:
                found = _read(descriptor, kind)
                if found is None or found.alive or is_at(path, found.version.inode):
                    return found
            finally:  # otherwise the file was replaced while it was read
                os.close(descriptor)
    return None


def is_at(path: Path, inode: int) -> bool:
    """Whether the path refers to this inode."""
    with suppress(OSError):
        return path.lstat().st_ino == inode
    return False


def _read(descriptor: int, kind: Kind) -> File | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    alive = kind not in EPHEMERAL or locks.is_locked_elsewhere(descriptor)
    return File(os.read(descriptor, MAX_VALUE), _version(status), alive)


def _version(status: os.stat_result) -> FileVersion:
    return FileVersion(status.st_ino, status.st_mtime_ns)


def _is_entry(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError, UnicodeError):
        entry.name.encode()
        return not entry.name.startswith(HIDDEN_PREFIX) and entry.is_file(follow_symlinks=False)
    return False


def _purge_dead(folder: Path, kind: Kind, names: list[str]) -> None:
    """Delete stale files, if they are still unlocked."""
    with suppress(OSError), locks.locked_names(folder):
        for name in names:
            found = look(folder / name, kind)
            if found is not None and not found.alive:
                (folder / name).unlink()
