"""A store in memory: for tests of agents, and as the plainest example of a backend.

One `MemoryStore` is the server, each `MemoryBackend` a session of it. All is done in the calling thread: when
a call returns, every session's wishes are fulfilled and every listener has its snapshots, in the order of
opening. Tests cut a session's connection, let it expire, and mend it.
"""

import threading
from dataclasses import dataclass, field

from vipagent.core.words import Claim, StoreState
from vipagent.store.backend import (
    MAX_ENTRIES,
    MAX_VALUE,
    Backend,
    Entry,
    Listener,
    Snapshot,
    StoreError,
    StoreSettings,
)
from vipagent.store.layout import Directory, Key
from vipagent.store.records import claim_of


@dataclass(frozen=True, slots=True)
class _Held:
    """An entry, and whose session it ends with; None: it is persistent, or a foreign client's."""

    value: bytes
    holder: "MemoryBackend | None" = None


@dataclass(slots=True)
class _Wish:
    """An entry that a session wants to be there."""

    value: bytes
    fulfilled: bool = False
    """Whether it ever was: if so, a namesake's entry is a twin's and stays (G3)."""


@dataclass(slots=True)
class _Watch:
    """A directory that a session wants to be told."""

    values: frozenset[str] | None
    told: Snapshot | None = field(default=None)
    """What was handed over last; None: nothing since the last (re)connection."""


class MemoryStore:
    """The entries, and the sessions that share them. `put` and `remove` are a foreign client's."""

    def __init__(self) -> None:
        self._entries: dict[Key, _Held] = {}
        self._sessions: list[MemoryBackend] = []
        self._lock = threading.RLock()
        self._settling = False
        self._changed = False

    def put(self, key: Key, value: bytes) -> None:
        """Set an entry; whoever holds it goes on holding it."""
        with self._lock:
            held = self._entries.get(key)
            self._entries[key] = _Held(value, held.holder if held else None)
            self._settle()

    def remove(self, key: Key) -> bool:
        """Remove an entry, whoever holds it; return whether there was one."""
        with self._lock:
            found = self._entries.pop(key, None) is not None
            self._settle()
            return found

    def entries(self, directory: Directory) -> dict[str, bytes]:
        """Return a directory's names and values."""
        with self._lock:
            return {key.name: held.value for key, held in self._entries.items() if key.directory == directory}

    def _settle(self) -> None:
        """Fulfil wishes and hand over snapshots until nothing changes; a listener's call only adds a turn."""
        self._changed = True
        if self._settling:
            return
        self._settling = True
        try:
            while self._changed:
                self._changed = False
                for session in list(self._sessions):
                    session._fulfil()
                for session in list(self._sessions):
                    session._deliver()
        finally:
            self._settling = False

    def _release(self, session: "MemoryBackend", key: Key) -> None:
        if (held := self._entries.get(key)) is not None and held.holder is session:
            del self._entries[key]

    def _release_all(self, session: "MemoryBackend") -> None:
        for key in list(self._entries):
            self._release(session, key)


class MemoryBackend(Backend):
    """One session of a `MemoryStore`. It never fails unless a test says so."""

    def __init__(self, settings: StoreSettings, listener: Listener, store: MemoryStore) -> None:
        super().__init__(settings, listener)
        self._store = store
        self._lock = store._lock
        self._wishes: dict[Key, _Wish] = {}
        self._watches: dict[Directory, _Watch] = {}
        self._state: StoreState | None = None

    def open(self) -> None:
        """Connect at once."""
        with self._lock:
            self._store._sessions.append(self)
            self.mend()

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        with self._lock:
            self._wishes.setdefault(key, _Wish(value)).value = value
            held = self._store._entries.get(key)
            if self._connected and held is not None and held.holder is self:
                self._store._entries[key] = _Held(value, self)
            self._settle()

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        with self._lock:
            self._wishes.pop(key, None)
            if self._connected:
                self._store._release(self, key)
            self._settle()

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`. Values that are not needed come empty: nobody shall rely on them."""
        with self._lock:
            self._watches[directory] = _Watch(values)
            self._settle()

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        with self._lock:
            self._watches.pop(directory, None)

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`."""
        with self._lock:
            self._demand_connection()
            return self._view(directory, None)

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`."""
        with self._lock:
            self._demand_connection()
            self._store.put(key, value)

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""
        with self._lock:
            self._demand_connection()
            return self._store.remove(key)

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        with self._lock:
            if self in self._store._sessions:
                self._store._sessions.remove(self)
            self._store._release_all(self)
            self._state = None
            self._store._settle()

    def cut(self) -> None:
        """Lose the connection: nothing gets through, but the entries stay."""
        self._become(StoreState.UNSURE, "the connection was cut")

    def expire(self) -> None:
        """Lose the session: the entries go, and others see that."""
        with self._lock:
            self._store._release_all(self)
            self._become(StoreState.LOST, "the session has expired")
            self._store._settle()

    def mend(self) -> None:
        """Connect (again): everything is handed over anew, wishes of meanwhile come true."""
        with self._lock:
            for key, held in list(self._store._entries.items()):
                if held.holder is self and key not in self._wishes:
                    del self._store._entries[key]
                elif held.holder is self:
                    self._store._entries[key] = _Held(self._wishes[key].value, self)
            for watch in self._watches.values():
                watch.told = None
            self._become(StoreState.CONNECTED, "in memory")
            self._store._settle()

    @property
    def _connected(self) -> bool:
        return self._state == StoreState.CONNECTED

    def _become(self, state: StoreState, detail: str) -> None:
        with self._lock:
            self._state = state
            self.listener.session(state, detail)

    def _settle(self) -> None:
        if self._connected:
            self._store._settle()

    def _demand_connection(self) -> None:
        if not self._connected:
            raise StoreError(f"memory: the session of {self.settings.node} is not connected")

    def _fulfil(self) -> None:
        """Take what is wished and free (G3)."""
        if not self._connected:
            return
        for key, wish in list(self._wishes.items()):
            held = self._store._entries.get(key)
            if held is None or (held.holder is not self and self._replaces(held, wish)):
                self._store._entries[key] = _Held(wish.value, self)
            wish.fulfilled |= self._store._entries[key].holder is self

    def _replaces(self, held: _Held, wish: _Wish) -> bool:
        return not wish.fulfilled and self._claim(held) != Claim.OTHER

    def _deliver(self) -> None:
        """Hand over each watched directory that is not as it was told last."""
        for directory, watch in list(self._watches.items()):
            if self._connected and watch.told != (view := self._view(directory, watch.values)):
                watch.told = view
                self.listener.snapshot(directory, view)

    def _view(self, directory: Directory, values: frozenset[str] | None) -> Snapshot:
        inside = {key.name: held for key, held in self._store._entries.items() if key.directory == directory}
        return {
            name: Entry(inside[name].value[:MAX_VALUE], self._claim(inside[name]))
            if values is None or name in values
            else Entry()
            for name in sorted(inside)[:MAX_ENTRIES]
        }

    def _claim(self, held: _Held) -> Claim:
        if held.holder is self:
            return Claim.OURS
        return claim_of(held.value, self.settings.node, self.settings.instance)
