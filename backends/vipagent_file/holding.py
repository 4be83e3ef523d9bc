"""One ephemeral entry: a file that is held open and locked for as long as it is wished."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

from vipagent.core.words import Claim
from vipagent.store.backend import MAX_VALUE
from vipagent.store.records import claim_of
from vipagent_file import locks
from vipagent_file.folders import HIDDEN, is_at, opened

MODE = 0o664
"""Files are for everybody to read: agents may run as different users of a group."""


class Occupied(Enum):
    """By whom an entry's name is taken."""

    BY_NOBODY = auto()
    BY_THE_DEAD = auto()
    BY_AN_EARLIER_RUN = auto()
    """A live run of this very node: the later one replaces it (G3)."""
    BY_ANOTHER = auto()


class Holding:
    """A wish for an entry, and its file once there is one.

    Args:
        path: the entry's file.
        node: this node's name.
        instance: this run of the agent.
    """

    def __init__(self, path: Path, node: str, instance: str) -> None:
        self.path = path
        self._node = node
        self._instance = instance
        self._value = b""
        self._descriptor: int | None = None
        self._fulfilled = False

    @property
    def inode(self) -> int | None:
        """The file's inode; None: there is no file yet."""
        return None if self._descriptor is None else os.fstat(self._descriptor).st_ino

    def wish(self, value: bytes) -> None:
        """Take the value that the entry shall have, and write it if the entry is there."""
        self._value = value
        if self._descriptor is not None:
            _write(self._descriptor, value)

    def fulfil(self) -> None:
        """Make the entry if it is not there and may be made (G3).

        Raises:
            OSError: the directory does not allow it.
        """
        if self._descriptor is not None and is_at(self._descriptor, self.path):
            return
        self._let_go()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        match self._occupied():
            case Occupied.BY_NOBODY:
                self._descriptor = self._create(self.path.hardlink_to)
            case Occupied.BY_THE_DEAD:
                self._descriptor = self._revive()
            case Occupied.BY_AN_EARLIER_RUN if not self._fulfilled:
                self._descriptor = self._create(lambda made: made.rename(self.path))
        self._fulfilled = self._fulfilled or self._descriptor is not None

    def end(self) -> None:
        """Remove the entry if it is ours."""
        if self._descriptor is not None and is_at(self._descriptor, self.path):
            with suppress(OSError):
                self.path.unlink()
        self._let_go()

    def _occupied(self) -> Occupied:
        """Say by whom the entry's name is taken."""
        try:
            with opened(self.path, os.O_RDONLY) as descriptor:
                if not locks.held(descriptor):
                    return Occupied.BY_THE_DEAD
                claim = claim_of(os.read(descriptor, MAX_VALUE), self._node, self._instance)
        except FileNotFoundError:
            return Occupied.BY_NOBODY
        return Occupied.BY_ANOTHER if claim is Claim.OTHER else Occupied.BY_AN_EARLIER_RUN

    def _revive(self) -> int | None:
        """Take over a dead agent's file, unless somebody else does."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if locks.take(descriptor) and is_at(descriptor, self.path):
            _write(descriptor, self._value)
            return descriptor
        os.close(descriptor)
        return None

    def _create(self, name: Callable[[Path], object]) -> int | None:
        """Make a locked file, and only then give it its name: nobody ever sees it without its holder."""
        descriptor, made = tempfile.mkstemp(prefix=HIDDEN, dir=self.path.parent)
        os.fchmod(descriptor, MODE)
        locks.take(descriptor)
        _write(descriptor, self._value)
        try:
            name(Path(made))
        except FileExistsError:  # somebody was quicker
            os.close(descriptor)
            return None
        finally:
            Path(made).unlink(missing_ok=True)
        return descriptor

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write(descriptor: int, value: bytes) -> None:
    """Replace the value; who reads in between is told of the change that follows."""
    os.pwrite(descriptor, value, 0)
    os.ftruncate(descriptor, len(value))
