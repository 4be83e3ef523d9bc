"""Watched directories: a thread for each, in a blocking query. What it lists counts, not that it wakes up."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vipagent.net.backoff import delay
from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import Directory
from vipagent_consul.client import Client, Held, entry_names
from vipagent_consul.http import in_words
from vipagent_consul.registrations import Registrations
from vipagent_consul.state import SessionState, View

WAIT = 15
"""Seconds of a blocking query: how long a connection that died without a word can go unnoticed while the
session's own is well."""
CALL = 2.0
"""Seconds for an answer beyond the wait."""
SPARED = 3
"""Wake-ups in a row without a change that are followed by the next query at once."""
MAX_PAUSE = 0.3
"""Seconds between queries that wake up without a change: Consul wakes one for an empty directory at any write
to any key."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What the listener wants to be told of a directory. Each call of `want` is another one."""

    values: frozenset[str] | None


class Watch:
    """Reads one directory again and again, for the listener and for the registrations there."""

    def __init__(
        self,
        directory: Directory,
        path: str,
        state: SessionState,
        registrations: Registrations,
        verify: Callable[[], None],
    ) -> None:
        """Begin with nobody to tell; `verify` has the session's own connection looked after."""
        self.directory = directory
        self._path = path
        self._state = state
        self._registrations = registrations
        self._verify = verify
        self._asked: Asked | None = None
        self._told: tuple[int, Snapshot] | None = None  # what was handed over last, in which view
        self._client: Client | None = None
        self._stopped = False
        name = f"vipagent-consul-{directory.kind}-{directory.service}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def wanted(self) -> bool:
        """Whether the listener wants it."""
        return self._asked is not None

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def want(self, values: frozenset[str] | None) -> None:
        """Hand over from now on, with these values; what was handed over before does not count."""
        with self._state.lock:
            self._asked, self._told = Asked(values), None
        self.cut()

    def unwant(self) -> None:
        """Hand over nothing more; go on for the registrations."""
        with self._state.lock:
            self._asked = None

    def cut(self) -> None:
        """End the query that waits, so that the directory is read anew. Never blocks."""
        client = self._client
        if client is not None:
            client.cut()

    def stop(self) -> None:
        """Hand over nothing more and end the thread, without waiting for it."""
        self._stopped = True
        self.unwant()
        self.cut()
        self._state.wake()

    def join(self, within: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(within)

    def _run(self) -> None:
        failures, generation = 0, 0
        while (view := self._state.wait_view(self.directory, lambda: self._stopped)) is not None:
            if view.generation != generation:
                failures, generation = 0, view.generation
            asked = self._asked
            try:
                with view.link.client(CALL) as self._client:
                    self._read(self._client, view)
            except Exception as error:  # noqa: BLE001  no answer may end the thread: the view would be stale
                if asked is self._asked:  # else it was cut on purpose
                    failures += 1
                if failures > 1:  # one connection may end for a reason of its own
                    self._state.doubt(self.directory, in_words(error))
                    self._verify()
                self._state.pause(view, delay(failures - 1), lambda: self._stopped)
        self._state.settle(self.directory)

    def _read(self, client: Client, view: View) -> None:
        """Read until the view is over, or another question is asked."""
        index, last, idle = 0, None, 0
        while True:
            asked = self._asked
            at, found = self._fetch(client, asked, index)
            self._state.settle(self.directory)
            self._registrations.seen(self.directory, found)
            snapshot = self._snapshot(asked, found)
            if not self._hand_over(view, asked, snapshot):
                return
            idle = idle + 1 if at != index and snapshot == last else 0
            if idle > SPARED:
                self._state.pause(view, min(MAX_PAUSE, 0.01 * 2 ** (idle - SPARED)), lambda: self._stopped)
            # an index that goes back (a server restored, a new leader) says nothing about what was missed
            index, last = (max(at, 1) if at >= index else 0), snapshot

    def _fetch(
        self, client: Client, asked: Asked | None, index: int
    ) -> tuple[int, Mapping[str, Held | None]]:
        if asked is None or asked.values == frozenset():
            return client.names(self._path, index, WAIT)
        return client.entries(self._path, index, WAIT)

    def _snapshot(self, asked: Asked | None, found: Mapping[str, Held | None]) -> Snapshot:
        values = frozenset() if asked is None else asked.values
        return {
            name: Entry(held.value, self._registrations.claim(held))
            if (held := found[name]) is not None and (values is None or name in values)
            else Entry()
            for name in entry_names(found)
        }

    def _hand_over(self, view: View, asked: Asked | None, snapshot: Snapshot) -> bool:
        """Tell the listener what it does not know; return whether to go on in this view."""
        with self._state.lock:
            if self._stopped or asked is not self._asked or not self._state.current(view):
                return False
            if asked is not None and self._told != (view.generation, snapshot):
                self._told = view.generation, snapshot
                self._state.deliver(self.directory, snapshot)
            return True


class Watches:
    """All watched directories: those the listener wants, and those where something is registered."""

    def __init__(
        self, prefix: str, state: SessionState, registrations: Registrations, verify: Callable[[], None]
    ) -> None:
        self._prefix = prefix
        self._state = state
        self._registrations = registrations
        self._verify = verify
        self._watches: dict[Directory, Watch] = {}
        self._closed = False

    def want(self, directory: Directory, values: frozenset[str] | None) -> None:
        """Hand the directory over to the listener."""
        with self._state.lock:
            if (watch := self.need(directory)) is not None:
                watch.want(values)

    def unwant(self, directory: Directory) -> None:
        """Hand over nothing more of the directory."""
        with self._state.lock:
            if (watch := self._watches.get(directory)) is not None:
                watch.unwant()
                self.prune(directory)

    def need(self, directory: Directory) -> Watch | None:
        """Read the directory for what is registered there; None after the end."""
        with self._state.lock:
            if self._closed:
                return None
            if directory not in self._watches:
                path = directory.path(self._prefix).strip("/")
                watch = Watch(directory, path, self._state, self._registrations, self._verify)
                self._watches[directory] = watch
                watch.start()
            return self._watches[directory]

    def prune(self, directory: Directory) -> None:
        """Stop reading the directory if nobody needs it any more."""
        with self._state.lock:
            watch = self._watches.get(directory)
            if watch and not watch.wanted and directory not in self._registrations.directories():
                del self._watches[directory]
                watch.stop()

    def cut(self) -> None:
        """End all queries that wait. Never blocks."""
        with self._state.lock:
            for watch in self._watches.values():
                watch.cut()

    def stop(self) -> list[Watch]:
        """End all threads for good; return their watches, to be joined."""
        with self._state.lock:
            self._closed = True
            watches = list(self._watches.values())
            self._watches.clear()
            for watch in watches:
                watch.stop()
            return watches
