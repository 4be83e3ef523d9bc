"""The backend: wishes and watches, all of them on one thread, looked at again after each change."""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vipagent.core.words import Claim, StoreState
from vipagent.store.backend import (
    Backend,
    Entry,
    Listener,
    Snapshot,
    StoreConfigError,
    StoreError,
    StoreSettings,
)
from vipagent.store.layout import Directory, Key
from vipagent.store.records import claim_of
from vipagent_file.changes import Changes
from vipagent_file.folders import HIDDEN, Found, scan
from vipagent_file.holding import MODE, Holding
from vipagent_file.worker import Worker

RETRY = 1.0
"""Seconds until what the file system refused is tried again, and between two looks without inotify."""
LOOKS = (0.0, 0.005, 0.02, 0.1, 0.5)
"""Seconds after a change at which to look: the kernel tells that a dead agent's file is closed shortly before
it lets go of the lock, and of a new directory before that is watched."""
ROOT_USER_DIRECTORY = Path("/run/vipagent")


def default_directory() -> Path:
    """Return the store's directory for this user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "vipagent") if runtime and os.getuid() else ROOT_USER_DIRECTORY


@dataclass
class _Watched:
    """A directory that is watched, and what was last handed over."""

    values: frozenset[str] | None
    told: Snapshot | None = None


class FileBackend(Backend):
    """Keeps wishes true in a directory of files; what each call promises is told in `Backend`.

    `hosts` names the directory. The agents that share it must be allowed to write there: it is made
    with the mode that the umask leaves; for several users, make it beforehand, with their common group and
    the setgid bit.
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
        self._holdings: dict[Key, Holding] = {}
        self._watched: dict[Directory, _Watched] = {}
        self._pending: set[tuple[Directory, float]] = set()
        self._changes: Changes | None = None
        self._state: StoreState | None = None
        self._closed = False
        self._worker = Worker()

    def open(self) -> None:
        """See `Backend.open`."""
        self._worker.post(self._connect)
        self._worker.start()

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        self._worker.post(partial(self._want, key, value))

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        self._worker.post(partial(self._drop, key))

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`."""
        self._worker.post(partial(self._follow, directory, values))

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        self._worker.post(partial(self._forget, directory))

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`; it does not wait, so `timeout` is not needed."""
        try:
            return self._entries(directory, scan(self._path(directory), directory.kind), None)
        except OSError as error:
            raise StoreError(f"cannot read {self._path(directory)}: {error.strerror}") from error

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`; it does not wait, so `timeout` is not needed."""
        path = self._path(key.directory) / key.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, made = tempfile.mkstemp(prefix=HIDDEN, dir=path.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(value)
                os.fchmod(file.fileno(), MODE)
            Path(made).rename(path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`; it does not wait, so `timeout` is not needed."""
        path = self._path(key.directory) / key.name
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"cannot remove {path}: {error.strerror}") from error
        return True

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        self._worker.post(self._end)
        self._worker.stop(timeout)

    def _path(self, directory: Directory) -> Path:
        return self._root / directory.path(self.settings.prefix).lstrip("/")

    def _connect(self) -> None:
        """Have the directory, and watch it; where inotify does not work, look again and again."""
        if self._closed:
            return
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(0, "not writable by this user")
        except OSError as error:
            self._tell(StoreState.LOST, f"{self._root}: {error.strerror}")
            self._worker.post_later(RETRY, self._connect)
            return
        changes = Changes(self._root, lambda path: self._worker.post(partial(self._changed, path)))
        try:
            changes.start()
        except OSError as error:
            self._tell(StoreState.CONNECTED, f"{self._root}, without inotify: {error.strerror}")
            self._worker.post_later(RETRY, self._poll)
        else:
            self._changes = changes
            self._tell(StoreState.CONNECTED, str(self._root))
        for watched in self._watched.values():
            watched.told = None
        self._look_everywhere()

    def _poll(self) -> None:
        if not self._closed and self._state is StoreState.CONNECTED:
            self._look_everywhere()
            self._worker.post_later(RETRY, self._poll)

    def _tell(self, state: StoreState, detail: str) -> None:
        if self._closed or (state is self._state and state is not StoreState.CONNECTED):
            return
        self._state = state
        self.listener.session(state, detail)

    def _changed(self, path: Path) -> None:
        """Look at what a change may concern: a directory, one in it, or the whole store."""
        if not self._root.is_dir():
            self._lose()
            return
        touched = {path, path.parent}
        for directory in self._watched.keys() | {key.directory for key in self._holdings}:
            if self._path(directory) in touched or path in self._path(directory).parents:
                self._look_soon(directory)

    def _look_soon(self, directory: Directory) -> None:
        """Look once for a burst of changes, and once more each a little later."""
        for seconds in LOOKS:
            if (directory, seconds) not in self._pending:
                self._pending.add((directory, seconds))
                self._worker.post_later(seconds, partial(self._look_once, directory, seconds))

    def _look_once(self, directory: Directory, seconds: float) -> None:
        self._pending.discard((directory, seconds))
        self._look(directory)

    def _lose(self) -> None:
        if self._changes is not None:
            self._changes.stop()
            self._changes = None
            self._tell(StoreState.LOST, f"{self._root} is gone")
            self._connect()

    def _look_everywhere(self) -> None:
        for directory in self._watched.keys() | {key.directory for key in self._holdings}:
            self._look(directory)

    def _look(self, directory: Directory) -> None:
        """Fulfil the wishes of one directory, and hand it over if it has changed."""
        if self._closed or self._state is not StoreState.CONNECTED:
            return
        for key, holding in self._holdings.items():
            if key.directory == directory:
                self._fulfil(holding)
        watched = self._watched.get(directory)
        if watched is None:
            return
        try:
            found = scan(self._path(directory), directory.kind)
        except OSError:
            self._worker.post_later(RETRY, partial(self._look, directory))
            return
        entries = self._entries(directory, found, watched.values)
        if entries != watched.told:
            watched.told = entries
            self.listener.snapshot(directory, entries)

    def _entries(
        self, directory: Directory, found: dict[str, Found], values: frozenset[str] | None
    ) -> Snapshot:
        return {
            name: self._entry(Key(directory, name), seen) if values is None or name in values else Entry()
            for name, seen in found.items()
        }

    def _entry(self, key: Key, found: Found) -> Entry:
        holding = self._holdings.get(key)
        if holding is not None and holding.inode == found.inode:
            return Entry(found.value, Claim.OURS)
        return Entry(found.value, claim_of(found.value, self.settings.node, self.settings.instance))

    def _want(self, key: Key, value: bytes) -> None:
        if key not in self._holdings:
            path = self._path(key.directory) / key.name
            self._holdings[key] = Holding(path, self.settings.node, self.settings.instance)
        self._holdings[key].wish(value)
        self._look(key.directory)

    def _fulfil(self, holding: Holding) -> None:
        try:
            holding.fulfil()
        except OSError:
            self._worker.post_later(RETRY, self._look_everywhere)

    def _drop(self, key: Key) -> None:
        holding = self._holdings.pop(key, None)
        if holding is not None:
            holding.end()
            self._look(key.directory)

    def _follow(self, directory: Directory, values: frozenset[str] | None) -> None:
        self._watched[directory] = _Watched(values)
        with suppress(OSError):
            self._path(directory).mkdir(parents=True, exist_ok=True)
        self._look(directory)

    def _forget(self, directory: Directory) -> None:
        self._watched.pop(directory, None)

    def _end(self) -> None:
        self._closed = True
        for holding in self._holdings.values():
            holding.end()
        self._holdings.clear()
        if self._changes is not None:
            self._changes.stop()
