"""The store's tree as files: making a folder, setting a name in it, reading what is alive there.

Modes do not depend on the umask (ExaBGP's helpers have 0137): a group may share the store.
"""

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
"""The kinds whose entries live only as long as somebody holds them locked."""
HIDDEN = "."
"""What a name of a file begins with that is no entry."""
FILE_MODE = 0o664
FOLDER_MODE = 0o775
SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Never through a link, never waiting for a pipe's other end, for no child to inherit."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry's file."""

    inode: int
    value: bytes
    alive: bool


def make(root: Path, below: Path) -> Path:
    """Have a folder of the store, and return it.

    Raises:
        OSError: it is not for us to make, read or write, or what `root` is in is not there (not mounted?).
    """
    folder = root
    for part in ("", *below.parts):
        folder = folder / part
        with suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(folder.stat().st_mode | FOLDER_MODE)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(0, "this user may not read and write there", str(folder))
    return folder


def put(path: Path, value: bytes, prepare: Callable[[int], None] = lambda _: None) -> int:
    """Give a new file this name, maybe in the place of another; return its descriptor.

    It is complete before it has the name: nobody ever reads half a value, or sees an entry without its
    holder. It is renamed, not linked: inotify tells of its closing under the name that it was opened by or
    renamed to. To be called with its folder's names locked.

    Args:
        path: the file's path.
        value: what it shall have in it.
        prepare: called with the descriptor first.
    """
    new = path.with_name(HIDDEN + path.name)
    with suppress(FileNotFoundError):
        new.unlink()  # of somebody who died at this very point
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE)
    try:
        os.fchmod(descriptor, FILE_MODE)
        prepare(descriptor)
        os.write(descriptor, value)
        new.rename(path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write(root: Path, below: Path, value: bytes) -> None:
    """Make or replace a persistent entry.

    Raises:
        OSError: it is not for us to write there.
    """
    folder = make(root, below.parent)
    with locks.names_of(folder):
        os.close(put(folder / below.name, value))


def erase(root: Path, below: Path) -> bool:
    """Remove a persistent entry; return whether there was one.

    Raises:
        OSError: it is not for us to remove.
    """
    path = root / below
    try:
        with locks.names_of(path.parent):
            path.unlink()
    except FileNotFoundError:
        return False
    return True


def scan(folder: Path, kind: Kind) -> dict[str, Found]:
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


def look(path: Path, kind: Kind) -> Found | None:
    """Return what has this name; None if that is nothing, no file, or not for us to read."""
    with suppress(OSError):
        while True:
            descriptor = os.open(path, os.O_RDONLY | SAFE)
            try:
                found = _read(descriptor, kind)
                if found is None or found.alive or is_at(path, found.inode):
                    return found
            finally:  # else what was read had just been replaced, and let go of
                os.close(descriptor)
    return None


def is_at(path: Path, inode: int) -> bool:
    """Say whether the path leads to that file."""
    with suppress(OSError):
        return path.lstat().st_ino == inode
    return False


def _read(descriptor: int, kind: Kind) -> Found | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    alive = kind not in EPHEMERAL or locks.held(descriptor)
    return Found(status.st_ino, os.read(descriptor, MAX_VALUE), alive)


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
