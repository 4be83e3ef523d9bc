"""The driver: entries are files in a directory, held by locks that the kernel releases with their holder."""

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
from vipagent_file.follower import Follower
from vipagent_file.root import Root
from vipagent_file.thread import FileThread

ROOTS_DIRECTORY = Path("/run/vipagent")


def default_directory() -> Path:
    """Return the store's directory for this user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "vipagent") if runtime and os.getuid() else ROOTS_DIRECTORY


class FileDriver(Driver):
    """A directory that the agents of one machine share.

    `hosts` names the directory; it is made if what it is in is there. For agents of several users, make it
    beforehand with their common group and mode 2775 (never with the sticky bit); what agents make in it is
    the group's to write, whatever their umask. All calls of the file system are made on one thread: they can
    hang. The session lives as long as they do not.
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
        self._root = Root(root)
        self._thread = FileThread("vipagent-file-system")
        self._held: dict[Key, folders.LockedEntry] = {}
        self._follower: Follower | None = None

    async def connect(self, server: str) -> None:
        """See `Driver.connect`."""
        try:
            await self._thread.run(self._open)
        except OSError as error:
            raise (Refused if isinstance(error, PermissionError) else Disconnected)(_told(error)) from error

    async def keep_alive(self) -> SessionInfo:
        """See `Driver.keep_alive`."""
        await self._thread.run(self._check_root)
        return SessionInfo(self.settings.session_timeout, str(self._root.path))

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """See `Driver.follow`."""
        follower = self._follower = Follower(self._root, self.path, asyncio.get_running_loop())
        names = None
        try:
            while True:
                if interests.names is not names or not follower.is_told:
                    names = interests.names
                    await self._thread.run(follower.follow, set(names))
                directories = await follower.changed(interests)
                listings = await self._thread.run(self._list_all, directories)
                for directory, listing in listings:
                    on_listing(directory, listing)
        except FileNotFoundError as error:
            raise SessionEnded(_told(error)) from error
        except OSError as error:
            raise Disconnected(_told(error)) from error
        finally:
            self._follower = None
            self._thread.post(follower.stop)

    async def get(self, key: Key) -> Found | None:
        """See `Driver.look`."""
        return await self._thread.run(self._look, key)

    async def read(self, directory: Directory) -> Listing:
        """See `Driver.read`."""
        try:
            return await self._thread.run(self._list, directory)
        except OSError as error:
            raise Refused(_told(error)) from error

    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        """See `Driver.put`."""
        try:
            return await self._thread.run(self._put, key, value, expected, ephemeral)
        except OSError as error:
            raise Refused(f"cannot write {_told(error)}") from error
        finally:
            self._touch(key.directory)

    async def delete(self, key: Key, found: Found) -> None:
        """See `Driver.delete`."""
        try:
            await self._thread.run(self._delete, key, found)
        except FileNotFoundError as error:
            raise EntryChanged(_told(error)) from error
        except OSError as error:
            raise Refused(f"cannot remove {_told(error)}") from error
        finally:
            self._touch(key.directory)

    async def close(self) -> None:
        """See `Driver.close`."""
        try:
            for key in list(self._held):
                await self._thread.run(self._end, key)
        finally:
            self._thread.end(self._let_go)
        await self._thread.ended()

    def _touch(self, directory: Directory) -> None:
        """List a directory that we have changed, whether inotify tells of it or not."""
        if self._follower is not None:
            self._follower.touch([directory])

    def path(self, place: Directory | Key) -> Path:
        """Return where a directory or an entry is."""
        return self._root.path / self._below(place)

    def _below(self, place: Directory | Key) -> Path:
        return Path(place.path(self.settings.prefix).lstrip("/"))

    # What follows is done on the file system's thread.

    def _open(self) -> None:
        self._root.open()
        for key, held in list(self._held.items()):
            if not folders.is_at(self.path(key), held.inode):  # it was in another directory of this name
                self._let_go_of(key)

    def _list_all(self, directories: list[Directory]) -> list[tuple[Directory, Listing]]:
        self._check_root()
        return [(directory, self._list(directory)) for directory in directories]

    def _check_root(self) -> None:
        """See whether the store's directory is the one that we follow: of its removal nobody tells.

        Raises:
            SessionEnded: it is not.
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
        with locks.names_of(self._root.make(self._below(key).parent)):
            self._compare(key, expected)
            if expected is None and folders.is_in_the_way(path, key.directory.kind):
                raise EntryChanged(f"{path} is no file that could be replaced")
            entry = folders.put(path, value, hold=ephemeral)
            self._let_go_of(key)
            if ephemeral:
                self._held[key] = entry
        return Found(value, entry.version, Holder.OURS if ephemeral else Holder.OTHER)

    def _delete(self, key: Key, found: Found) -> None:
        try:
            with locks.names_of(self.path(key).parent):
                self._compare(key, found)
                self.path(key).unlink()
        except TimeoutError:
            if found.holder is not Holder.OURS:
                raise
        self._let_go_of(key)  # so it is dead, even if its file is still there

    def _compare(self, key: Key, expected: Found | None) -> None:
        found = self._look(key)
        if (found and found.version) != (expected and expected.version):
            raise EntryChanged(f"{self.path(key)} has changed")

    def _end(self, key: Key) -> None:
        """Remove an entry that we hold; what cannot be removed is dead as soon as it is not held."""
        held = self._held.get(key)
        if held is not None:
            folders.remove(self.path(key), held.inode)
            self._let_go_of(key)

    def _let_go_of(self, key: Key) -> None:
        if (held := self._held.pop(key, None)) is not None:
            held.release()

    def _let_go(self) -> None:
        for key in list(self._held):
            self._let_go_of(key)
        self._root.close()


def _told(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
