"""The store's directory, held open: so that it cannot become another unnoticed."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from vipagent_file.folders import FOLDER_MODE


class Root:
    """The directory that all agents of a store share.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def open(self) -> None:
        """Make it if it is not there, and keep hold of it: then its inode cannot become that of another.

        Raises:
            OSError: it cannot be made or used, or what it is in is not there (not mounted?).
        """
        self.close()
        self.make(Path())
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def is_still_there(self) -> bool:
        """Whether it is the one that was opened: it may be gone, or another."""
        with suppress(OSError):
            return self._descriptor is not None and os.path.samestat(
                os.fstat(self._descriptor), self.path.stat()
            )
        return False

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def make(self, below: Path) -> Path:
        """Make a folder in it, if it is not there, and return it.

        Raises:
            OSError: it is not for us to make, read or write.
        """
        folder = self.path
        for part in ("", *below.parts):
            folder = folder / part
            with suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(stat.S_IMODE(folder.stat().st_mode) | FOLDER_MODE)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(0, "this user may not read and write there", str(folder))
        return folder
