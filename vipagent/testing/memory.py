"""A store in memory for tests of agents: the real reconciler over a dictionary, without I/O.

A `MemoryStore` is the server; each `MemoryBackend` is a session. Everything runs in the calling thread: when
a call returns, all requests are done and all listeners have their snapshots, in the order in which the
sessions were opened. Tests can disconnect, expire and reconnect a session.
"""

import threading
from dataclasses import dataclass
from itertools import count
from typing import assert_never

from vipagent.store.backend import Backend, Listener, Snapshot, StoreError, StoreSettings
from vipagent.store.driver import Found, Holder
from vipagent.store.layout import Directory, Key
from vipagent.store.reconciler import Reconciler
from vipagent.store.registration import Delete, Get, Put, StoreRequest
from vipagent.types import StoreState


@dataclass(frozen=True, slots=True)
class _StoredEntry:
    """An entry and the session that holds it; None: a persistent entry, or one of another client."""

    value: bytes
    version: int
    holder: "MemoryBackend | None" = None


class MemoryStore:
    """The entries and the sessions. `put` and `remove` act as another client."""

    def __init__(self) -> None:
        self.sessions: list[MemoryBackend] = []
        self.lock = threading.RLock()
        self._directories: dict[Directory, dict[str, _StoredEntry]] = {}
        self._versions = count(1)
        self._changed: dict[Directory, None] = {}
        self._converging = False

    def put(self, key: Key, value: bytes) -> None:
        """Write an entry without changing its holder."""
        with self.lock:
            entry = self._entry(key)
            self.set(key, value, entry.holder if entry else None)
            self.converge()

    def remove(self, key: Key) -> bool:
        """Delete an entry of any holder; return whether it existed."""
        with self.lock:
            entry = self._directories.get(key.directory, {}).pop(key.name, None)
            self._changed[key.directory] = None
            self.converge()
            return entry is not None

    def entries(self, directory: Directory) -> dict[str, bytes]:
        """Return a directory's names and values."""
        with self.lock:
            return {name: entry.value for name, entry in self._directories.get(directory, {}).items()}

    def set(self, key: Key, value: bytes, holder: "MemoryBackend | None") -> None:
        """Write an entry and its holder."""
        entries = self._directories.setdefault(key.directory, {})
        entries[key.name] = _StoredEntry(value, next(self._versions), holder)
        self._changed[key.directory] = None

    def get(self, key: Key, session: "MemoryBackend") -> Found | None:
        """Return an entry as seen by a session."""
        entry = self._entry(key)
        if entry is None:
            return None
        return Found(entry.value, entry.version, Holder.OURS if entry.holder is session else Holder.OTHER)

    def listing(self, directory: Directory, session: "MemoryBackend") -> dict[str, Found | None]:
        """Return a directory as seen by a session."""
        names = sorted(self._directories.get(directory, ()))
        return {name: self.get(Key(directory, name), session) for name in names}

    def release_all(self, session: "MemoryBackend") -> None:
        """Delete the entries of a session."""
        for directory, entries in self._directories.items():
            for name in [name for name, entry in entries.items() if entry.holder is session]:
                del entries[name]
                self._changed[directory] = None

    def converge(self) -> None:
        """Execute requests and report snapshots until nothing changes. A nested call only adds a round."""
        if self._converging:
            return
        self._converging = True
        try:
            while True:
                changed, self._changed = self._changed, {}
                busy = [session.update(changed) for session in list(self.sessions)]
                if not any(busy):
                    break
                for session in list(self.sessions):
                    session.notify()
        finally:
            self._converging = False

    def _entry(self, key: Key) -> _StoredEntry | None:
        return self._directories.get(key.directory, {}).get(key.name)


class MemoryBackend(Backend):
    """One session with a `MemoryStore`. Fails only when a test calls `disconnect` or `expire`."""

    def __init__(self, settings: StoreSettings, listener: Listener, store: MemoryStore) -> None:
        super().__init__(settings, listener)
        self._store = store
        self._reconciler = Reconciler(settings)
        self._listed: set[Directory] = set()
        self._state: StoreState | None = None

    def open(self) -> None:
        """Connect immediately."""
        with self._store.lock:
            self._store.sessions.append(self)
            self.reconnect()

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        with self._store.lock:
            self._reconciler.register(key, value)
            self._store.converge()

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        with self._store.lock:
            self._reconciler.deregister(key)
            self._store.converge()

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`."""
        with self._store.lock:
            self._reconciler.watch(directory, values)
            self._store.converge()

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        with self._store.lock:
            self._reconciler.unwatch(directory)

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`."""
        with self._store.lock:
            self._require_connection()
            return self._reconciler.snapshot(self._store.listing(directory, self), None)

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`."""
        with self._store.lock:
            self._require_connection()
            self._store.put(key, value)

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""
        with self._store.lock:
            self._require_connection()
            return self._store.remove(key)

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        with self._store.lock:
            if self in self._store.sessions:
                self._store.sessions.remove(self)
            self._store.release_all(self)
            self._state = None
            self._store.converge()

    def disconnect(self) -> None:
        """Drop the connection. The session's entries stay."""
        self._reconciler.disconnected()
        self._set_state(StoreState.UNSURE, "the connection was cut")

    def expire(self) -> None:
        """End the session: its entries are deleted, and the other sessions are notified."""
        with self._store.lock:
            self._reconciler.disconnected()
            self._store.release_all(self)
            self._set_state(StoreState.LOST, "the session has expired")
            self._store.converge()

    def reconnect(self) -> None:
        """Connect, then list and report every directory again."""
        with self._store.lock:
            self._reconciler.connected()
            self._listed.clear()
            self._set_state(StoreState.CONNECTED, "in memory")
            self._store.converge()

    def update(self, changed: dict[Directory, None]) -> bool:
        """List changed directories and execute requests; return whether there may be new snapshots."""
        if self._state is not StoreState.CONNECTED:
            return False
        watched, _ = self._reconciler.interests
        unlisted = [
            directory for directory in watched if directory in changed or directory not in self._listed
        ]
        self._listed = set(watched)
        for directory in unlisted:
            self._reconciler.listed(directory, self._store.listing(directory, self))
        requests = list(self._reconciler.requests(0.0))  # never refused, so no request is delayed
        for request in requests:
            self._reconciler.done(request, self._execute(request))
        return bool(unlisted or requests or self._reconciler.has_changed)

    def notify(self) -> None:
        """Report new snapshots to the listener."""
        if self._state is StoreState.CONNECTED:
            for directory, snapshot in self._reconciler.snapshots():
                self.listener.snapshot(directory, snapshot)

    def _execute(self, request: StoreRequest) -> Found | None:
        match request:
            case Get(key):
                return self._store.get(key, self)
            case Put(key, value, _):
                self._store.set(key, value, self)
                return self._store.get(key, self)
            case Delete(key, _):
                self._store.remove(key)
                return None
            case _:
                assert_never(request)

    def _set_state(self, state: StoreState, detail: str) -> None:
        with self._store.lock:
            self._state = state
            self.listener.session(state, detail)

    def _require_connection(self) -> None:
        if self._state is not StoreState.CONNECTED:
            raise StoreError(f"memory: the session of {self.settings.node} is not connected")
