"""Contract tests of the memory store, and its injected faults."""

import pytest

from vipagent.store.backend import Listener, Snapshot, StoreError, StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.testing.contract import BackendContract
from vipagent.testing.memory import MemoryBackend, MemoryStore
from vipagent.testing.peers import MEMBERS, Peers, member
from vipagent.testing.recorder import Recorder
from vipagent.testing.store import StoreUnderTest
from vipagent.types import Claim, StoreState


class MemoryUnderTest(StoreUnderTest):
    def __init__(self) -> None:
        self.store = MemoryStore()

    def backend(self, node: str, instance: str, listener: Listener) -> MemoryBackend:
        return MemoryBackend(StoreSettings(node=node, instance=instance), listener, self.store)

    def create_foreign(self, key: Key, value: bytes) -> None:
        self.store.put(key, value)

    def delete(self, key: Key) -> None:
        self.store.remove(key)

    def overwrite(self, key: Key, value: bytes) -> None:
        self.store.put(key, value)

    def write_garbage(self, directory: Directory) -> None:
        for name in ("line\nbreak", "x" * 5000, "", "ÿ", "\x00"):
            self.store.put(Key(directory, name), b"\xff" * 70_000)


@pytest.fixture
def store() -> MemoryUnderTest:
    return MemoryUnderTest()


class TestMemory(BackendContract):
    """Tests without faults."""


@pytest.fixture
def two(store: MemoryUnderTest) -> tuple[MemoryBackend, Recorder, MemoryBackend, Recorder]:
    seen = Recorder(), Recorder()
    one, other = (store.backend(f"node{n}", "run", recorder) for n, recorder in enumerate(seen, 1))
    for backend in (one, other):
        backend.watch(MEMBERS, None)
        backend.open()
    return one, seen[0], other, seen[1]


Two = tuple[MemoryBackend, Recorder, MemoryBackend, Recorder]


def test_delivery_is_done_when_the_call_returns(two: Two) -> None:
    one, seen, other, others_seen = two
    one.register(member(1), b"x")
    assert [set(names) for names in seen.snapshots(MEMBERS)] == [set(), {member(1).name}]
    assert [set(names) for names in others_seen.snapshots(MEMBERS)] == [set(), {member(1).name}]
    one.register(member(1), b"x")
    assert len(others_seen.snapshots(MEMBERS)) == 2, "nothing changed, so nothing is reported"
    other.register(member(1), b"y")
    assert len(others_seen.snapshots(MEMBERS)) == 2


def test_a_disconnected_session_keeps_its_entries_and_receives_nothing(two: Two) -> None:
    one, seen, other, others_seen = two
    one.register(member(1), b"x")
    one.disconnect()
    assert seen.state == StoreState.UNSURE
    mark = seen.mark()
    other.register(member(2), b"y")
    one.deregister(member(1))
    one.register(member(3), b"x")
    assert seen.events(mark) == []
    assert set(others_seen.latest(MEMBERS) or {}) == {member(1).name, member(2).name}
    with pytest.raises(StoreError, match="node1 is not connected"):
        one.read(MEMBERS, 1.0)
    one.reconnect()
    assert seen.states(mark) == [StoreState.CONNECTED]
    assert set(others_seen.latest(MEMBERS) or {}) == {member(2).name, member(3).name}
    assert set(seen.latest(MEMBERS) or {}) == {member(2).name, member(3).name}


def test_an_expired_session_loses_its_entries_until_it_is_repaired(two: Two) -> None:
    one, seen, _, others_seen = two
    one.register(member(1), b"x")
    one.expire()
    assert seen.state == StoreState.LOST
    assert set(others_seen.latest(MEMBERS) or {}) == set()
    assert set(seen.latest(MEMBERS) or {}) == {member(1).name}, "what is unknown is not empty"
    one.reconnect()
    assert (others_seen.latest(MEMBERS) or {})[member(1).name].value == b"x"
    assert (seen.latest(MEMBERS) or {})[member(1).name].claim == Claim.OURS


def test_a_reconnection_delivers_unchanged_directories(two: Two) -> None:
    one, seen, _, _ = two
    one.disconnect()
    mark = seen.mark()
    one.reconnect()
    assert seen.snapshots(MEMBERS, mark) == [{}]


def test_a_listener_may_call_its_backend(store: MemoryUnderTest) -> None:
    class Following(Recorder):
        backend: MemoryBackend

        def snapshot(self, directory: Directory, entries: Snapshot) -> None:
            super().snapshot(directory, entries)
            if member(1).name in (self.latest(directory) or {}):
                self.backend.register(member(2), b"after the first")

    seen = Following()
    seen.backend = store.backend("node1", "run", seen)
    seen.backend.watch(MEMBERS)
    seen.backend.open()
    other = Peers(store).join("node2")
    other.watch(MEMBERS)
    other.register(member(1))
    assert [set(names) for names in other.seen.snapshots(MEMBERS)] == [
        set(),
        {member(1).name},
        {member(1).name, member(2).name},
    ]
