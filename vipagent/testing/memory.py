"""A store in memory, for tests of agents: the store layer's reconciler over a dictionary, without I/O.

One `MemoryStore` is the server, each `MemoryBackend` a session of it. All is done in the calling thread: when
a call returns, every session's registrations are made and every listener has its snapshots, in the order of
opening. Tests cut a session's connection, let it expire, and mend it.
"""

import threading
from dataclasses import dataclass
from itertools import count
from typing import assert_never

from vipagent.store.backend import Backend, Listener, Snapshot, StoreError, StoreSettings
from vipagent.store.driver import Found, Holder
from vipagent.store.layout import Directory, Key
from vipagent.store.reconciler import Reconciler
from vipagent.store.registration import Delete, Get, Put, Request
from vipagent.types import StoreState

REFUSED_NEVER = 0.0
"""The time, where nothing is ever refused."""


@dataclass(frozen=True, slots=True)
class _Held:
    """An entry, and whose session it ends with; None: it is persistent, or a foreign client's."""

    value: bytes
    version: int
    holder: "MemoryBackend | None" = None


class MemoryStore:
    """The entries, and the sessions that share them. `put` and `remove` are a foreign client's."""

    def __init__(self) -> None:
        self.sessions: list[MemoryBackend] = []
        self.lock = threading.RLock()
        self._directories: dict[Directory, dict[str, _Held]] = {}
        self._versions = count(1)
        self._unlisted: dict[Directory, None] = {}
        self._settling = False

    def put(self, key: Key, value: bytes) -> None:
        """Set an entry; whoever holds it goes on holding it."""
        with self.lock:
            held = self._held(key)
            self.hold(key, value, held.holder if held else None)
            self.settle()

    def remove(self, key: Key) -> bool:
        """Remove an entry, whoever holds it; return whether there was one."""
        with self.lock:
            found = self._directories.get(key.directory, {}).pop(key.name, None)
            self._unlisted[key.directory] = None
            self.settle()
            return found is not None

    def entries(self, directory: Directory) -> dict[str, bytes]:
        """Return a directory's names and values."""
        with self.lock:
            return {name: held.value for name, held in self._directories.get(directory, {}).items()}

    def hold(self, key: Key, value: bytes, holder: "MemoryBackend | None") -> None:
        """Set an entry, and whose it is."""
        there = self._directories.setdefault(key.directory, {})
        there[key.name] = _Held(value, next(self._versions), holder)
        self._unlisted[key.directory] = None

    def get(self, key: Key, session: "MemoryBackend") -> Found | None:
        """Return an entry as a session sees it."""
        held = self._held(key)
        if held is None:
            return None
        return Found(held.value, held.version, Holder.OURS if held.holder is session else Holder.OTHER)

    def listing(self, directory: Directory, session: "MemoryBackend") -> dict[str, Found | None]:
        """Return a directory as a session sees it."""
        names = sorted(self._directories.get(directory, ()))
        return {name: self.get(Key(directory, name), session) for name in names}

    def release_all(self, session: "MemoryBackend") -> None:
        """Remove what a session holds."""
        for directory, there in self._directories.items():
            for name in [name for name, held in there.items() if held.holder is session]:
                del there[name]
                self._unlisted[directory] = None

    def settle(self) -> None:
        """Make registrations and tell snapshots until nothing changes; a listener's call only adds a turn."""
        if self._settling:
            return
        self._settling = True
        try:
            while True:
                unlisted, self._unlisted = self._unlisted, {}
                busy = [session.settle(unlisted) for session in list(self.sessions)]
                if not any(busy):
                    break
                for session in list(self.sessions):
                    session.tell()
        finally:
            self._settling = False

    def _held(self, key: Key) -> _Held | None:
        return self._directories.get(key.directory, {}).get(key.name)


class MemoryBackend(Backend):
    """One session of a `MemoryStore`. It never fails unless a test says so."""

    def __init__(self, settings: StoreSettings, listener: Listener, store: MemoryStore) -> None:
        super().__init__(settings, listener)
        self._store = store
        self._reconciler = Reconciler(settings.node, settings.instance)
        self._listed: set[Directory] = set()
        self._state: StoreState | None = None

    def open(self) -> None:
        """Connect at once."""
        with self._store.lock:
            self._store.sessions.append(self)
            self.mend()

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        with self._store.lock:
            self._reconciler.register(key, value)
            self._store.settle()

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        with self._store.lock:
            self._reconciler.deregister(key)
            self._store.settle()

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`."""
        with self._store.lock:
            self._reconciler.watch(directory, values)
            self._store.settle()

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        with self._store.lock:
            self._reconciler.unwatch(directory)

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`."""
        with self._store.lock:
            self._demand_connection()
            return self._reconciler.snapshot(self._store.listing(directory, self), None)

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`."""
        with self._store.lock:
            self._demand_connection()
            self._store.put(key, value)

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""
        with self._store.lock:
            self._demand_connection()
            return self._store.remove(key)

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        with self._store.lock:
            if self in self._store.sessions:
                self._store.sessions.remove(self)
            self._store.release_all(self)
            self._state = None
            self._store.settle()

    def cut(self) -> None:
        """Lose the connection: nothing gets through, but the entries stay."""
        self._reconciler.disconnected()
        self._become(StoreState.UNSURE, "the connection was cut")

    def expire(self) -> None:
        """Lose the session: the entries go, and others see that."""
        with self._store.lock:
            self._reconciler.disconnected()
            self._store.release_all(self)
            self._become(StoreState.LOST, "the session has expired")
            self._store.settle()

    def mend(self) -> None:
        """Connect (again): everything is listed and told anew."""
        with self._store.lock:
            self._reconciler.connected()
            self._listed.clear()
            self._become(StoreState.CONNECTED, "in memory")
            self._store.settle()

    def settle(self, changed: dict[Directory, None]) -> bool:
        """List what has changed and make registrations; return whether the agent may have to be told."""
        if self._state is not StoreState.CONNECTED:
            return False
        wanted, _ = self._reconciler.interests
        unlisted = [
            directory for directory in wanted if directory in changed or directory not in self._listed
        ]
        self._listed = set(wanted)
        for directory in unlisted:
            self._reconciler.listed(directory, self._store.listing(directory, self))
        requests = list(self._reconciler.requests(REFUSED_NEVER))
        for request in requests:
            self._reconciler.done(request, self._requested(request))
        return bool(unlisted or requests or self._reconciler.has_news)

    def tell(self) -> None:
        """Tell the agent what is new."""
        if self._state is StoreState.CONNECTED:
            for directory, snapshot in self._reconciler.snapshots():
                self.listener.snapshot(directory, snapshot)

    def _requested(self, request: Request) -> Found | None:
        match request:
            case Get(key):
                return self._store.get(key, self)
            case Put(key, value, _):
                self._store.hold(key, value, self)
                return self._store.get(key, self)
            case Delete(key, _):
                self._store.remove(key)
                return None
            case _:
                assert_never(request)

    def _become(self, state: StoreState, detail: str) -> None:
        with self._store.lock:
            self._state = state
            self.listener.session(state, detail)

    def _demand_connection(self) -> None:
        if self._state is not StoreState.CONNECTED:
            raise StoreError(f"memory: the session of {self.settings.node} is not connected")
