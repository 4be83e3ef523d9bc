"""The agents' side of a contract test: sessions with their recorders, all closed at the test's end."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from vipagent.store.backend import Backend, Entry
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.records import Registration
from vipagent.testing.recorder import Recorder
from vipagent.testing.slowness import allowed
from vipagent.testing.store import PATIENCE, StoreUnderTest
from vipagent.types import Claim, StoreState

MEMBERS = Directory(Kind.MEMBERS, "apex")
MAINTENANCE = Directory(Kind.MAINTENANCE, "apex")
STATES = Directory(Kind.STATES, "apex")


def member(last: int) -> Key:
    """Return the member key of 10.0.0.`last`."""
    return Key(MEMBERS, f"10.0.0.{last}")


@dataclass(frozen=True, slots=True)
class Peer:
    """One session of one agent."""

    backend: Backend
    seen: Recorder

    @property
    def value(self) -> bytes:
        """What this agent's registrations say."""
        settings = self.backend.settings
        return Registration(node=settings.node, instance=settings.instance).dump()

    def register(self, key: Key) -> None:
        """Register as an agent does."""
        self.backend.register(key, self.value)

    def watch(self, directory: Directory) -> None:
        """Watch with all values."""
        self.backend.watch(directory, None)

    def entry(self, key: Key) -> Entry | None:
        """Return the entry as last handed over; None if it is not there."""
        return (self.seen.latest(key.directory) or {}).get(key.name)

    def wait_claim(self, key: Key, claim: Claim, within: float) -> Entry:
        """Wait until the last snapshot has the entry with this claim."""

        def matching() -> Entry | None:
            entry = self.entry(key)
            return entry if entry is not None and entry.claim == claim else None

        found = self.seen.wait_for(matching, within, f"{key.name} is {claim}")
        assert found is not None
        return found


class Peers:
    """Makes sessions, and ends them."""

    def __init__(self, store: StoreUnderTest) -> None:
        self._store = store
        self._runs = count(1)
        self._made: list[Peer] = []

    def make(self, node: str) -> Peer:
        """Return the session of another run of `node`, not opened."""
        recorder = Recorder()
        peer = Peer(self._store.backend(node, f"run{next(self._runs)}", recorder), recorder)
        self._made.append(peer)
        return peer

    def join(self, node: str) -> Peer:
        """Return the session of another run of `node`, connected."""
        peer = self.make(node)
        peer.backend.open()
        peer.seen.wait_state(StoreState.CONNECTED, PATIENCE)
        return peer

    def close(self) -> None:
        """Close all sessions."""
        for peer in self._made:
            peer.backend.close(5.0)


def eventually(probe: Callable[[], object], within: float, what: str) -> None:
    """Wait for what no listener is told, by asking again and again."""
    within = allowed(within)
    deadline = time.monotonic() + within
    late = False
    while not probe():
        assert not late, f"not within {within} s: {what}"
        late = time.monotonic() > deadline  # there is a last look, which may itself have to wait for its turn
        time.sleep(0.01)


def threads_of(before: set[threading.Thread]) -> set[threading.Thread]:
    """Return the threads that were started since and still run."""
    return {thread for thread in threading.enumerate() if thread.is_alive()} - before


class Suite:
    """The base of all suites: a subclass brings a fixture `store`, and gets `peers`."""

    @pytest.fixture
    def peers(self, store: StoreUnderTest) -> Iterator[Peers]:
        """Sessions on this test's prefix, closed at its end."""
        peers = Peers(store)
        yield peers
        peers.close()
