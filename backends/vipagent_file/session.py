"""The session: wishes and watches of one agent, made true in the store's folders. It lives on one loop."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vipagent.core.words import Claim, StoreState
from vipagent.store.backend import Entry, Listener, Snapshot, StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.store.records import claim_of
from vipagent_file.changes import Changes
from vipagent_file.folders import Found, make, scan
from vipagent_file.holding import Holding
from vipagent_file.looks import Looks

RETRY = 1.0
"""Seconds until what the file system refused is tried again, and between two looks without inotify."""

ATTEMPTS = 3
"""How often inotify is tried before it is left alone: watchdog 6 leaves three descriptors open each time that
the kernel refuses it a watch."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watched:
    """A directory that is watched, and what was last handed over."""

    values: frozenset[str] | None
    told: Snapshot | None = None


class Session:
    """Connected as long as the store's directory can be used.

    Args:
        root: the store's directory.
        settings: who we are, and the prefix below `root`.
        listener: whom to tell.
        post: has a function called on the loop, from any thread.
    """

    def __init__(
        self, root: Path, settings: StoreSettings, listener: Listener, post: Callable[..., None]
    ) -> None:
        self._root = root
        self._settings = settings
        self._listener = listener
        self._post = post
        self._holdings: dict[Key, Holding] = {}
        self._watched: dict[Directory, _Watched] = {}
        self._looks = Looks(self._look)
        self._changes: Changes | None = None
        self._refusals = 0
        self._descriptor: int | None = None
        self._state: StoreState | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._warned = ""

    def connect(self) -> None:
        """Have the folders, and be told of their changes."""
        try:
            self._open_root()
            for directory in self._directories():
                make(self._root, self.below(directory))
        except OSError as error:
            self._lose(error)
            return
        self._refusals = 0
        self._tell(StoreState.CONNECTED, str(self._root))
        for watched in self._watched.values():
            watched.told = None
        self._follow_changes()
        self._look_everywhere()

    def close(self) -> None:
        """Remove our entries, and end the library's threads; nothing is handed over any more."""
        self._state = None
        if self._timer is not None:
            self._timer.cancel()
        for holding in self._holdings.values():
            holding.end()
        self._holdings.clear()
        self._leave()

    def want(self, key: Key, value: bytes) -> None:
        """Keep an entry from now on."""
        if key not in self._holdings:
            self._holdings[key] = Holding(self._root, self.below(key), key.directory.kind, self._settings)
        self._holdings[key].wish(value)
        self._keep(key)
        self._looks.changed(key.directory)

    def drop(self, key: Key) -> None:
        """Keep an entry no longer."""
        holding = self._holdings.pop(key, None)
        if holding is not None:
            holding.end()
            self._looks.changed(key.directory)

    def watch(self, directory: Directory, values: frozenset[str] | None) -> None:
        """Hand over a directory from now on."""
        self._watched[directory] = _Watched(values)
        self._look(directory)

    def unwatch(self, directory: Directory) -> None:
        """Hand over a directory no longer."""
        self._watched.pop(directory, None)

    def read(self, directory: Directory, values: frozenset[str] | None) -> Snapshot:
        """Return a directory as it is now. On any thread.

        Raises:
            OSError: it cannot be read.
        """
        found = scan(self._root / self.below(directory), directory.kind)
        return {
            name: self._entry(Key(directory, name), seen) if values is None or name in values else Entry()
            for name, seen in found.items()
        }

    def _entry(self, key: Key, found: Found) -> Entry:
        holding = self._holdings.get(key)
        if holding is not None and holding.inode == found.inode:
            return Entry(found.value, Claim.OURS)
        return Entry(found.value, claim_of(found.value, self._settings.node, self._settings.instance))

    def below(self, place: Directory | Key) -> Path:
        """Return a path, relative to the store's directory."""
        return Path(place.path(self._settings.prefix).lstrip("/"))

    def _directories(self) -> set[Directory]:
        return self._watched.keys() | {key.directory for key in self._holdings}

    def _open_root(self) -> None:
        """Keep hold of the store's directory: then its inode cannot become that of another."""
        self._leave()
        self._descriptor = os.open(make(self._root, Path()), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _is_still_there(self) -> bool:
        """Say whether the store's directory is the one that we watch: it may be gone, or another."""
        with suppress(OSError):
            return self._descriptor is not None and os.path.samestat(
                os.fstat(self._descriptor), self._root.stat()
            )
        return False

    def _leave(self) -> None:
        if self._changes is not None:
            self._changes.stop()
            self._changes = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _follow_changes(self) -> None:
        """Be told of changes; if inotify does not work, look now and then."""
        changes = Changes(self._root, lambda path: self._post(self._changed, path))
        try:
            changes.start()
        except OSError as error:
            self._refusals += 1
            self._warn(f"{self._root}: changes are looked for every {RETRY:g} s, without inotify: {error}")
            self._next(self._poll)
        else:
            self._changes = changes

    def _poll(self) -> None:
        if not self._is_still_there():
            self._start_anew()
            return
        if self._refusals < ATTEMPTS:
            self._follow_changes()
        else:
            self._next(self._poll)
        self._look_everywhere()

    def _changed(self, path: Path) -> None:
        """Look at what a change may concern: a directory, what is in it, or what it is in."""
        if self._state is not StoreState.CONNECTED:
            return
        if not self._is_still_there():
            self._start_anew()
            return
        for directory in self._directories():
            folder = self._root / self.below(directory)
            if folder in (path, path.parent) or path in folder.parents:
                self._looks.changed(directory)

    def _look_everywhere(self) -> None:
        for directory in self._directories():
            self._look(directory)

    def _look(self, directory: Directory) -> None:
        """Fulfil a directory's wishes, and hand it over if it has changed."""
        if self._changes is not None and not self._is_still_there():  # of which we might never be told
            self._start_anew()
            return
        for key in self._holdings:
            if key.directory == directory:
                self._keep(key)
        watched = self._watched.get(directory)
        if watched is None or self._state is not StoreState.CONNECTED:
            return
        try:
            entries = self.read(directory, watched.values)
        except OSError as error:
            self._lose(error)
            return
        if entries != watched.told:
            watched.told = entries
            self._listener.snapshot(directory, entries)

    def _keep(self, key: Key) -> None:
        """Fulfil one wish; what is in the way of it is not in the way of the others."""
        if self._state is not StoreState.CONNECTED:
            return
        try:
            self._holdings[key].fulfil()
        except OSError as error:
            self._warn(f"{self._root}: cannot register {key.name} now: {error}")
            self._looks.again(key.directory, RETRY)

    def _start_anew(self) -> None:
        self._tell(StoreState.LOST, f"{self._root} was removed")
        self.connect()

    def _lose(self, error: OSError) -> None:
        self._leave()
        self._tell(StoreState.LOST, f"{error.filename or self._root}: {error.strerror}")
        self._next(self.connect)

    def _tell(self, state: StoreState, detail: str) -> None:
        if state is not self._state:
            self._state = state
            self._listener.session(state, detail)

    def _next(self, call: Callable[[], None]) -> None:
        """Have the one thing done that is to be done next, a little later."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(RETRY, call)

    def _warn(self, warning: str) -> None:
        if warning != self._warned:
            self._warned = warning
            log.warning("%s", warning)
