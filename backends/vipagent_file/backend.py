"""The backend: the contract's calls, brought to the loop where the session lives."""

import asyncio
import os
from pathlib import Path

from vipagent.store.backend import Backend, Listener, Snapshot, StoreConfigError, StoreError, StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.store.loop import LoopThread
from vipagent_file.folders import erase, write
from vipagent_file.session import Session

ROOTS_DIRECTORY = Path("/run/vipagent")


def default_directory() -> Path:
    """Return the store's directory for this user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "vipagent") if runtime and os.getuid() else ROOTS_DIRECTORY


class FileBackend(Backend):
    """Keeps wishes true in a directory of files; what each call promises is told in `Backend`.

    `hosts` names the directory; it is made if what it is in is there. For agents of several users, make it
    beforehand with their common group and mode 2775 (never with the sticky bit); what agents make in it is
    the group's to write, whatever their umask.
    """

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        super().__init__(settings, listener)
        if settings.options:
            raise StoreConfigError(f"the file store has no options: remove {', '.join(settings.options)}")
        if len(settings.hosts) > 1:
            raise StoreConfigError(f"the file store is one directory, not {len(settings.hosts)}")
        self._root = Path(settings.hosts[0]) if settings.hosts else default_directory()
        if not self._root.is_absolute():
            raise StoreConfigError(f"the file store's directory {self._root} must be an absolute path")
        self._closing = asyncio.Event()
        self._loop = LoopThread("vipagent-file")
        self._session = Session(self._root, settings, listener, self._loop.post)

    def open(self) -> None:
        """See `Backend.open`."""
        self._loop.start(self._live)

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        self._loop.post(self._session.want, key, value)

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        self._loop.post(self._session.drop, key)

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`."""
        self._loop.post(self._session.watch, directory, values)

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        self._loop.post(self._session.unwatch, directory)

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`; it does not wait, so `timeout` is not needed."""
        try:
            return self._session.read(directory, None)
        except OSError as error:
            raise self._failed("read", error) from error

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`; it waits for less than a second, so `timeout` is not needed."""
        try:
            write(self._root, self._session.below(key), value)
        except OSError as error:
            raise self._failed("write", error) from error

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`; it waits for less than a second, so `timeout` is not needed."""
        try:
            return erase(self._root, self._session.below(key))
        except OSError as error:
            raise self._failed("remove", error) from error

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        self._loop.post(self._closing.set)
        self._loop.join(timeout)

    async def _live(self) -> None:
        self._session.connect()
        await self._closing.wait()
        self._session.close()

    def _failed(self, doing: str, error: OSError) -> StoreError:
        return StoreError(f"file store: cannot {doing} {error.filename or self._root}: {error.strerror}")
