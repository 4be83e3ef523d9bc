"""Contract tests of the file store, and tests of its files and locks."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.process import wait_for
from vipagent.store.backend import StoreConfigError, StoreError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.store.layout import Directory, Key
from vipagent.testing.contract import BackendContract, ProcessDeath
from vipagent.testing.death import holder
from vipagent.testing.peers import MAINTENANCE, MEMBERS, STATES, Peers, member, threads_of
from vipagent.testing.recorder import Recorder
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT, SharedStore
from vipagent.types import Claim, StoreState
from vipagent_file import FileDriver, locks
from vipagent_file.changes import InotifyWatcher
from vipagent_file.follower import INOTIFY_ATTEMPTS, RECHECK_DELAYS

pytestmark = pytest.mark.filterwarnings("ignore:Callback with id .* already exists:RuntimeWarning")


class FilesUnderTest(SharedStore):
    factory = FileDriver
    expiry = MAX_PROPAGATION

    def __init__(self, root: Path) -> None:
        self.root = root
        self._planted: dict[Path, int] = {}

    def settings(self, node: str, instance: str) -> StoreSettings:
        return StoreSettings(node=node, instance=instance, hosts=(str(self.root),))

    def path(self, key: Key) -> Path:
        return self.root / key.path("/exabgp").lstrip("/")

    def create_foreign(self, key: Key, value: bytes) -> None:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(".planted"), os.O_RDWR | os.O_CREAT, 0o644)
        locks.lock(descriptor)
        os.write(descriptor, value)
        path.with_name(".planted").rename(path)
        self._planted[path] = descriptor

    def delete(self, key: Key) -> None:
        path = self.path(key)
        path.unlink()
        descriptor = self._planted.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    def overwrite(self, key: Key, value: bytes) -> None:
        self.path(key).write_bytes(value)

    def write_garbage(self, directory: Directory) -> None:
        folder = self.root / directory.path("/exabgp").lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for name in (b"line\nbreak", b"\xff\xfe", b"x" * 255, b".hidden"):
            (folder / os.fsdecode(name)).write_bytes(b"\xff" * 70_000)
        (folder / "a" / "b" / "c").mkdir(parents=True)
        (folder / "loop").symlink_to(folder)
        os.mkfifo(folder / "fifo")

    def close(self) -> None:
        for descriptor in self._planted.values():
            os.close(descriptor)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilesUnderTest]:
    files = FilesUnderTest(tmp_path / "store")
    yield files
    files.close()


class TestFile(BackendContract):
    """Tests without faults."""


class TestFileProcesses(ProcessDeath):
    """The kernel releases the locks of an agent that has exited."""


def test_a_stale_file_is_not_a_member_and_is_deleted(peers: Peers, store: FilesUnderTest) -> None:
    path = store.path(member(1))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not locked")
    one = peers.join("node1")
    one.watch(MEMBERS)
    assert one.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT) == {}
    wait_for("the leftover is removed", lambda: not path.exists())


def test_a_stale_file_is_replaced_in_place(peers: Peers, store: FilesUnderTest) -> None:
    path = store.path(member(1))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not locked, and longer than the following value")
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    assert one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT).value == one.value


def test_an_exit_long_after_the_last_change_is_detected(peers: Peers, store: FilesUnderTest) -> None:
    watcher = peers.join("node2")
    watcher.watch(MEMBERS)
    with holder(store, "node1", "killed", [member(1).name]) as child:
        watcher.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        time.sleep(max(RECHECK_DELAYS) + 0.5)  # wait for all rechecks of earlier changes
        child.kill()
        watcher.seen.wait_names(MEMBERS, [], MAX_PROPAGATION)


def test_a_removed_directory_is_created_again(peers: Peers, store: FilesUnderTest) -> None:
    one, two = peers.join("node1"), peers.join("node2")
    for peer in (one, two):
        peer.watch(MEMBERS)
    one.register(member(1))
    two.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    store.root.rename(store.root.with_name("moved"))
    two.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
    wait_for("the entry is made again", lambda: store.path(member(1)).exists())
    two.wait_claim(member(1), Claim.OTHER, WAIT_TIMEOUT)
    one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)


def test_an_unreported_removal_is_detected_by_the_next_listing(
    peers: Peers, store: FilesUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel reports only events below the directory, so its own removal may be missed."""
    monkeypatch.setattr("vipagent_file.changes.InotifyWatcher.on_any_event", lambda _changes, _event: None)
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    mark = one.seen.mark()
    store.root.rename(store.root.with_name("moved"))
    one.register(member(2))
    one.seen.wait_reported(StoreState.LOST, WAIT_TIMEOUT, mark)
    one.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT, mark)
    wait_for("the entry is made again", store.path(member(1)).exists)


def test_the_repeatedly_removed_store_is_created_again(peers: Peers, store: FilesUnderTest) -> None:
    agents = [peers.join(f"node{n}") for n in (1, 2, 3)]
    names = [member(last).name for last in (1, 2, 3)]
    for last, agent in enumerate(agents, 1):
        agent.watch(MEMBERS)
        agent.register(member(last))
    for _ in range(5):
        for agent in agents:
            agent.seen.wait_names(MEMBERS, names, WAIT_TIMEOUT)
        shutil.rmtree(store.root, ignore_errors=True)  # agents create it again during the removal
        agents[0].register(member(4))
        for agent in agents:
            agent.seen.wait_names(MEMBERS, [*names, member(4).name], WAIT_TIMEOUT)
        agents[0].backend.deregister(member(4))


def test_values_are_read_completely(peers: Peers) -> None:
    one, two = peers.join("node1"), peers.join("node2")
    two.watch(MEMBERS)
    values = [b"long" * 10_000, b"short"]
    for turn in range(200):
        one.backend.register(member(1), values[turn % 2])
    one.register(member(1))
    two.seen.wait_for(lambda: (entry := two.entry(member(1))) and entry.value == one.value, WAIT_TIMEOUT)
    seen = {entry.value for snapshot in two.seen.snapshots(MEMBERS) for entry in snapshot.values()}
    assert seen <= {*values, one.value}


def test_of_concurrent_registrations_of_one_name_one_succeeds(peers: Peers) -> None:
    agents = [peers.join(f"node{n}") for n in range(4)]
    for agent in agents:
        agent.watch(MEMBERS)

    def claims(key: Key) -> list[Claim]:
        return sorted(entry.claim for agent in agents if (entry := agent.entry(key)))

    for _ in range(20):
        for agent in agents:
            agent.register(member(1))
            agent.register(member(2))
        for key in (member(1), member(2)):
            wait_for(f"{key.name} has a holder", lambda: claims(key) == [*[Claim.OTHER] * 3, Claim.OURS])  # noqa: B023
        for agent in agents:
            agent.backend.deregister(member(1))
            agent.backend.deregister(member(2))
        for agent in agents:
            agent.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)


def test_a_directory_locked_by_a_frozen_agent_is_waited_for(peers: Peers, store: FilesUnderTest) -> None:
    one, two = peers.join("node1"), peers.join("node2")
    two.watch(MEMBERS)
    one.register(member(1))
    two.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    with locks.locked_names(store.path(member(1)).parent):
        one.register(member(2))
        one.backend.deregister(member(1))
        two.seen.wait_names(MEMBERS, [], 2 * MAX_PROPAGATION)
        with pytest.raises(StoreError, match="locked by another agent, which may be stopped"):
            one.backend.write(Key(MEMBERS, "10.0.0.3"), b"", WAIT_TIMEOUT)
    two.seen.wait_names(MEMBERS, [member(2).name], 2 * MAX_PROPAGATION)


def test_unreadable_files_are_not_stale(peers: Peers, store: FilesUnderTest) -> None:
    path = store.path(member(1))
    path.mkdir(parents=True)
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.register(member(2))
    one.seen.wait_names(MEMBERS, [member(2).name], WAIT_TIMEOUT)
    path.rmdir()
    one.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)


def test_a_directory_that_cannot_be_created_is_reported_and_retried(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    seen = Recorder()
    settings = StoreSettings(node="n", instance="i", hosts=(str(blocked / "store"),))
    backend = StoreClient(FileDriver, settings, seen)
    backend.watch(MEMBERS)
    backend.open()
    try:
        seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
        assert seen.snapshots(MEMBERS) == [], "what is unknown is not empty"
        blocked.unlink()
        blocked.mkdir()
        seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
        seen.wait_names(MEMBERS, [], MAX_PROPAGATION)
    finally:
        backend.close(2.0)


def test_without_inotify_changes_are_detected_by_polling(
    peers: Peers, store: FilesUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def refuse() -> None:
        refused.append(1)
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr("vipagent_file.changes.Observer", refuse)
    one, two = peers.join("node1"), peers.join("node2")
    two.watch(MEMBERS)
    one.register(member(1))
    two.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    wait_for("both have tried in vain", lambda: len(refused) == 2 * INOTIFY_ATTEMPTS)
    one.backend.deregister(member(1))
    two.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
    one.register(member(2))
    two.seen.wait_names(MEMBERS, [member(2).name], WAIT_TIMEOUT)
    assert len(refused) == 2 * INOTIFY_ATTEMPTS, "each attempt may cost descriptors"


def test_a_failed_watch_leaves_no_thread(tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(OSError, match="No such file"):
        InotifyWatcher(tmp_path / "nothing", lambda path, closed: None).start()
    assert threads_of(threads) == set()


def test_no_child_inherits_a_registration(peers: Peers, store: FilesUnderTest) -> None:
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    inode = store.path(member(1)).stat().st_ino
    descriptors = [int(fd.name) for fd in Path("/proc/self/fd").iterdir() if _inode(fd) == inode]
    assert descriptors
    assert not any(map(_inheritable, descriptors))


def _inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # the descriptor belonged to another reader
        return False


def _inode(descriptor: Path) -> int:
    try:
        return descriptor.stat().st_ino
    except OSError:  # the descriptor belonged to the listing
        return 0


def test_modes_do_not_depend_on_the_umask(peers: Peers, store: FilesUnderTest) -> None:
    """ExaBGP's umask 0137 would create directories without search permission."""
    old = os.umask(0o137)
    try:
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    finally:
        os.umask(old)
    made = [store.root, *store.root.rglob("*")]
    assert len(made) == 5
    assert {path.stat().st_mode & 0o7777 for path in made if path.is_dir()} == {0o775}


def test_files_are_readable_for_the_other_agents(peers: Peers, store: FilesUnderTest) -> None:
    one = peers.join("node1")
    one.watch(STATES)
    key = Key(STATES, "node1")
    one.backend.register(key, b"{}")
    one.seen.wait_names(STATES, ["node1"], WAIT_TIMEOUT)
    one.backend.write(Key(MAINTENANCE, "all"), b"", WAIT_TIMEOUT)
    for path in (store.path(key), store.path(Key(MAINTENANCE, "all"))):
        assert path.stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (StoreSettings("n", "i", hosts=("a/b",)), "must be an absolute path"),
        (StoreSettings("n", "i", hosts=("/a", "/b")), "one directory, not 2"),
        (StoreSettings("n", "i", options={"tls": True}), "no options: remove tls"),
    ],
)
def test_bad_settings_are_rejected(settings: StoreSettings, message: str) -> None:
    with pytest.raises(StoreConfigError, match=message):
        FileDriver(settings)
