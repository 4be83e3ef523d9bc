"""The store's directory, kept open to detect that it is replaced."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from vipagent_file.folders import FOLDER_MODE


class Root:
    """The directory that all agents of a store share.

    Args:
        path: path of the directory.
        read_only: create no directory.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._descriptor: int | None = None

    def open(self) -> None:
        """Create it if it does not exist, and keep it open, so that its inode is not reused.

        Raises:
            OSError: it cannot be created or used, or its parent does not exist (not mounted?).
        """
        self.close()
        self.make(Path())
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def is_still_there(self) -> bool:
        """Whether the opened directory still exists under its path."""
        with suppress(OSError):
            return self._descriptor is not None and os.path.samestat(
                os.fstat(self._descriptor), self.path.stat()
            )
        return False

    def close(self) -> None:
        """Release it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def give(self, descriptor: int) -> None:
        """Give a new directory or file the owner and group of the store's, if this process may do so.

        Otherwise what an operator creates as root could not be used by the agents.
        """
        with suppress(PermissionError):
            owner = self.path.stat()
            if os.geteuid() == 0:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)

    def _give_folder(self, folder: Path) -> None:
        """Do the same for a directory, but follow no link that another user may have put in its place."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self.give(descriptor)
        finally:
            os.close(descriptor)

    def make(self, below: Path) -> Path:
        """Create a directory in it if it does not exist, and return its path.

        Raises:
            OSError: it cannot be created, read or written.
        """
        folder = self.path
        if self._read_only:
            return folder / below
        for part in ("", *below.parts):
            folder = folder / part
            with suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(stat.S_IMODE(folder.stat().st_mode) | FOLDER_MODE)
                self._give_folder(folder)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(0, "no read and write permission", str(folder))
        return folder
