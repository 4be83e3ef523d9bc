"""One ephemeral entry: a file that is held open and locked for as long as it is wished."""

import os
from contextlib import suppress
from pathlib import Path

from vipagent.core.words import Claim
from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Kind
from vipagent.store.records import claim_of
from vipagent_file import locks
from vipagent_file.folders import is_at, look, make, put


class Holding:
    """A wish for an entry, and its file once there is one.

    Args:
        root: the store's directory.
        below: where the entry's file is in it.
        kind: what the entry is.
        settings: who we are.
    """

    def __init__(self, root: Path, below: Path, kind: Kind, settings: StoreSettings) -> None:
        self._root = root
        self._below = below
        self._path = root / below
        self._kind = kind
        self._settings = settings
        self._value = b""
        self._written = b""
        self._descriptor: int | None = None
        self._fulfilled = False
        self.inode: int | None = None
        """The inode of the file that is held; None: there is none yet."""

    def wish(self, value: bytes) -> None:
        """Take the value that the entry shall have; `fulfil` writes it."""
        self._value = value

    def fulfil(self) -> None:
        """Make the entry if it is not there and may be made (G3), or give it its new value.

        Raises:
            OSError: the folder does not allow it, or not now (TimeoutError).
        """
        if self._is_there() and self._written == self._value:
            return
        with locks.names_of(make(self._root, self._below.parent)):
            if self._may_be_made():
                held = put(self._path, self._value, locks.take)
                self._let_go()
                self._descriptor, self.inode = held, os.fstat(held).st_ino
                self._written, self._fulfilled = self._value, True

    def end(self) -> None:
        """Remove the entry if it is ours."""
        with suppress(OSError), locks.names_of(self._path.parent):
            if self._is_there():
                self._path.unlink()
        self._let_go()

    def _is_there(self) -> bool:
        """Say whether the file that we hold still has its name."""
        return self.inode is not None and is_at(self._path, self.inode)

    def _may_be_made(self) -> bool:
        if self._is_there():
            return True
        found = look(self._path, self._kind)
        if found is None:
            return not os.path.lexists(self._path)
        if not found.alive:
            return True
        earlier = claim_of(found.value, self._settings.node, self._settings.instance) is not Claim.OTHER
        return earlier and not self._fulfilled

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = self.inode = None
