"""The driver: entries are locked files; the kernel releases the locks of an agent that exits."""

import asyncio
import os
from pathlib import Path
from typing import Never

from vipagent.store.backend import StoreConfigError, StoreSettings
from vipagent.store.driver import (
    Disconnected,
    Driver,
    EntryChanged,
    Found,
    Holder,
    Interests,
    Listing,
    OnListing,
    Refused,
    SessionEnded,
    SessionInfo,
)
from vipagent.store.layout import Directory, Key
from vipagent_file import folders, locks
from vipagent_file.follower import FileFollower
from vipagent_file.root import Root
from vipagent_file.thread import FileThread

ROOTS_DIRECTORY = Path("/run/vipagent")


def default_directory() -> Path:
    """Return the default directory of this user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "vipagent") if runtime and os.getuid() else ROOTS_DIRECTORY


class FileDriver(Driver):
    """A directory that the agents of one machine share.

    `hosts` is the directory; it is created if its parent exists. For agents of several users, create it
    beforehand with a common group and mode 2775 (without the sticky bit); files are group-writable
    regardless of the umask. All file system calls run on one thread, because they can block. The session is
    alive while they do not block.
    """

    api_version = 2
    name = "file"

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        if settings.options:
            raise StoreConfigError(f"the file store has no options: remove {', '.join(settings.options)}")
        if len(settings.hosts) > 1:
            raise StoreConfigError(f"the file store is one directory, not {len(settings.hosts)}")
        root = Path(settings.hosts[0]) if settings.hosts else default_directory()
        if not root.is_absolute():
            raise StoreConfigError(f"the file store's directory {root} must be an absolute path")
        self._root = Root(root, read_only=settings.read_only)
        self._thread = FileThread("vipagent-file-system")
        self._held: dict[Key, folders.LockedEntry] = {}
        self._follower: FileFollower | None = None

    async def connect(self, server: str) -> None:
        """See `Driver.connect`."""
        try:
            await self._thread.run(self._open)
        except OSError as error:
            raise (Refused if isinstance(error, PermissionError) else Disconnected)(
                _describe(error)
            ) from error

    async def keep_alive(self) -> SessionInfo:
        """See `Driver.keep_alive`."""
        await self._thread.run(self._check_root)
        return SessionInfo(self.settings.session_timeout, str(self._root.path))

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """See `Driver.follow`."""
        follower = self._follower = FileFollower(self._root, self.path, asyncio.get_running_loop())
        names = None
        try:
            while True:
                if interests.names is not names or not follower.is_watching:
                    names = interests.names
                    await self._thread.run(follower.follow, set(names))
                directories = await follower.changed(interests)
                listings = await self._thread.run(self._list_all, directories)
                for directory, listing in listings:
                    on_listing(directory, listing)
        except FileNotFoundError as error:
            raise SessionEnded(_describe(error)) from error
        except OSError as error:
            raise Disconnected(_describe(error)) from error
        finally:
            self._follower = None
            self._thread.post(follower.stop)

    async def get(self, key: Key) -> Found | None:
        """See `Driver.get`."""
        return await self._thread.run(self._look, key)

    async def read(self, directory: Directory) -> Listing:
        """See `Driver.read`."""
        try:
            return await self._thread.run(self._list, directory)
        except OSError as error:
            raise Refused(_describe(error)) from error

    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        """See `Driver.put`."""
        try:
            return await self._thread.run(self._put, key, value, expected, ephemeral)
        except OSError as error:
            raise Refused(f"cannot write {_describe(error)}") from error
        finally:
            self._touch(key.directory)

    async def delete(self, key: Key, found: Found) -> None:
        """See `Driver.delete`."""
        try:
            await self._thread.run(self._delete, key, found)
        except FileNotFoundError as error:
            raise EntryChanged(_describe(error)) from error
        except OSError as error:
            raise Refused(f"cannot remove {_describe(error)}") from error
        finally:
            self._touch(key.directory)

    async def close(self) -> None:
        """See `Driver.close`."""
        try:
            for key in list(self._held):
                await self._thread.run(self._end, key)
        finally:
            self._thread.end(self._release_all)
        await self._thread.ended()

    def _touch(self, directory: Directory) -> None:
        """Schedule a listing of a directory that we have changed, independent of inotify."""
        if self._follower is not None:
            self._follower.touch([directory])

    def path(self, place: Directory | Key) -> Path:
        """Return the path of a directory or an entry."""
        return self._root.path / self._below(place)

    def _below(self, place: Directory | Key) -> Path:
        return Path(place.path(self.settings.prefix).lstrip("/"))

    # The following methods run on the file system thread.

    def _open(self) -> None:
        self._root.open()
        for key, held in list(self._held.items()):
            if not folders.is_at(self.path(key), held.inode):  # it is in a directory that was replaced
                self._release(key)

    def _list_all(self, directories: list[Directory]) -> list[tuple[Directory, Listing]]:
        self._check_root()
        return [(directory, self._list(directory)) for directory in directories]

    def _check_root(self) -> None:
        """Check that the store's directory was not replaced, because inotify does not report that.

        Raises:
            SessionEnded: it was removed or replaced.
        """
        if not self._root.is_still_there():
            raise SessionEnded(f"{self._root.path} was removed")

    def _list(self, directory: Directory) -> Listing:
        files = folders.scan(self.path(directory), directory.kind)
        return {name: self._found(Key(directory, name), file) for name, file in files.items()}

    def _look(self, key: Key) -> Found | None:
        file = folders.look(self.path(key), key.directory.kind)
        return self._found(key, file) if file is not None and file.alive else None

    def _found(self, key: Key, file: folders.File) -> Found:
        held = self._held.get(key)
        ours = held is not None and held.inode == file.version.inode
        return Found(file.value, file.version, Holder.OURS if ours else Holder.OTHER)

    def _put(self, key: Key, value: bytes, expected: Found | None, ephemeral: bool) -> Found:
        path = self.path(key)
        self._check_root()
        with locks.locked_names(self._root.make(self._below(key).parent)):
            self._compare(key, expected)
            if expected is None and folders.is_other_file(path, key.directory.kind):
                raise EntryChanged(f"{path} is not a regular file")
            entry = folders.put(path, value, hold=ephemeral, give=self._root.give)
            self._release(key)
            if ephemeral:
                self._held[key] = entry
        return Found(value, entry.version, Holder.OURS if ephemeral else Holder.OTHER)

    def _delete(self, key: Key, found: Found) -> None:
        try:
            with locks.locked_names(self.path(key).parent):
                self._compare(key, found)
                self.path(key).unlink()
        except TimeoutError:
            if found.holder is not Holder.OURS:
                raise
        self._release(key)  # so the entry has ended, even if its file still exists

    def _compare(self, key: Key, expected: Found | None) -> None:
        found = self._look(key)
        if (found and found.version) != (expected and expected.version):
            raise EntryChanged(f"{self.path(key)} has changed")

    def _end(self, key: Key) -> None:
        """Delete one of our entries; if the file cannot be deleted, releasing its lock ends the entry."""
        held = self._held.get(key)
        if held is not None:
            folders.remove(self.path(key), held.inode)
            self._release(key)

    def _release(self, key: Key) -> None:
        if (held := self._held.pop(key, None)) is not None:
            held.release()

    def _release_all(self) -> None:
        for key in list(self._held):
            self._release(key)
        self._root.close()


def _describe(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
