"""The embedded store passes the suite; what is special about files and locks is told here."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.process import wait_for
from vipagent.core.words import Claim, StoreState
from vipagent.store.backend import StoreConfigError, StoreError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.store.layout import Directory, Key
from vipagent.testing.contract import BackendContract, ProcessDeath
from vipagent.testing.death import holder
from vipagent.testing.peers import MAINTENANCE, MEMBERS, STATES, Peers, member, threads_of
from vipagent.testing.recorder import Recorder
from vipagent.testing.store import NOTICE, PATIENCE, SharedStore
from vipagent_file import FileDriver, locks
from vipagent_file.changes import Changes
from vipagent_file.follower import ATTEMPTS, LATER

pytestmark = pytest.mark.filterwarnings("ignore:Callback with id .* already exists:RuntimeWarning")


class FilesUnderTest(SharedStore):
    factory = FileDriver
    vanishing = NOTICE

    def __init__(self, root: Path) -> None:
        self.root = root
        self._planted: dict[Path, int] = {}

    def settings(self, node: str, instance: str) -> StoreSettings:
        return StoreSettings(node=node, instance=instance, hosts=(str(self.root),))

    def path(self, key: Key) -> Path:
        return self.root / key.path("/exabgp").lstrip("/")

    def plant(self, key: Key, value: bytes) -> None:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(".planted"), os.O_RDWR | os.O_CREAT, 0o644)
        locks.take(descriptor)
        os.write(descriptor, value)
        path.with_name(".planted").rename(path)
        self._planted[path] = descriptor

    def uproot(self, key: Key) -> None:
        path = self.path(key)
        path.unlink()
        descriptor = self._planted.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    def overwrite(self, key: Key, value: bytes) -> None:
        self.path(key).write_bytes(value)

    def litter(self, directory: Directory) -> None:
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
    """All that holds for a store that is well."""


class TestFileProcesses(ProcessDeath):
    """The kernel lets go of a dead agent's locks."""


def test_a_leftover_of_a_dead_agent_is_no_member_and_goes(peers: Peers, store: FilesUnderTest) -> None:
    path = store.path(member(1))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nobody holds this")
    one = peers.join("node1")
    one.watch(MEMBERS)
    assert one.seen.wait_names(MEMBERS, [], PATIENCE) == {}
    wait_for("the leftover is removed", lambda: not path.exists())


def test_a_leftover_is_taken_over_in_place(peers: Peers, store: FilesUnderTest) -> None:
    path = store.path(member(1))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nobody holds this, and it is longer than what comes")
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    assert one.wait_claim(member(1), Claim.OURS, PATIENCE).value == one.value


def test_a_death_long_after_the_last_change_is_noticed(peers: Peers, store: FilesUnderTest) -> None:
    watcher = peers.join("node2")
    watcher.watch(MEMBERS)
    with holder(store, "node1", "killed", [member(1).name]) as child:
        watcher.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        time.sleep(max(LATER) + 0.5)  # so that no look that an earlier change caused is still to come
        child.kill()
        watcher.seen.wait_names(MEMBERS, [], NOTICE)


def test_the_directory_removed_under_us_is_made_again(peers: Peers, store: FilesUnderTest) -> None:
    one, two = peers.join("node1"), peers.join("node2")
    for peer in (one, two):
        peer.watch(MEMBERS)
    one.register(member(1))
    two.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
    store.root.rename(store.root.with_name("moved"))
    two.seen.wait_state(StoreState.CONNECTED, PATIENCE)
    wait_for("the entry is made again", lambda: store.path(member(1)).exists())
    two.wait_claim(member(1), Claim.OTHER, PATIENCE)
    one.wait_claim(member(1), Claim.OURS, PATIENCE)


def test_a_removal_that_nobody_tells_us_of_is_noticed_by_the_next_look(
    peers: Peers, store: FilesUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells only what happens below the directory: the last one to go may be gone unseen."""
    monkeypatch.setattr("vipagent_file.changes.Changes.on_any_event", lambda _changes, _event: None)
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, PATIENCE)
    mark = one.seen.mark()
    store.root.rename(store.root.with_name("moved"))
    one.register(member(2))
    one.seen.wait_told(StoreState.LOST, PATIENCE, mark)
    one.seen.wait_state(StoreState.CONNECTED, PATIENCE, mark)
    wait_for("the entry is made again", store.path(member(1)).exists)


def test_the_store_removed_again_and_again_is_made_anew(peers: Peers, store: FilesUnderTest) -> None:
    agents = [peers.join(f"node{n}") for n in (1, 2, 3)]
    names = [member(last).name for last in (1, 2, 3)]
    for last, agent in enumerate(agents, 1):
        agent.watch(MEMBERS)
        agent.register(member(last))
    for _ in range(5):
        for agent in agents:
            agent.seen.wait_names(MEMBERS, names, PATIENCE)
        shutil.rmtree(store.root, ignore_errors=True)  # agents make it anew while it is removed
        agents[0].register(member(4))
        for agent in agents:
            agent.seen.wait_names(MEMBERS, [*names, member(4).name], PATIENCE)
        agents[0].backend.deregister(member(4))


def test_nobody_reads_half_a_value(peers: Peers) -> None:
    one, two = peers.join("node1"), peers.join("node2")
    two.watch(MEMBERS)
    values = [b"long" * 10_000, b"short"]
    for turn in range(200):
        one.backend.register(member(1), values[turn % 2])
    one.register(member(1))
    two.seen.wait_for(lambda: (entry := two.entry(member(1))) and entry.value == one.value, PATIENCE)
    seen = {entry.value for snapshot in two.seen.snapshots(MEMBERS) for entry in snapshot.values()}
    assert seen <= {*values, one.value}


def test_of_several_that_register_one_name_at_once_one_has_it(peers: Peers) -> None:
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
            wait_for(f"{key.name} is somebody's", lambda: claims(key) == [*[Claim.OTHER] * 3, Claim.OURS])  # noqa: B023
        for agent in agents:
            agent.backend.deregister(member(1))
            agent.backend.deregister(member(2))
        for agent in agents:
            agent.seen.wait_names(MEMBERS, [], PATIENCE)


def test_a_folder_that_a_stopped_agent_keeps_is_waited_for(peers: Peers, store: FilesUnderTest) -> None:
    one, two = peers.join("node1"), peers.join("node2")
    two.watch(MEMBERS)
    one.register(member(1))
    two.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
    with locks.names_of(store.path(member(1)).parent):
        one.register(member(2))
        one.backend.deregister(member(1))
        two.seen.wait_names(MEMBERS, [], 2 * NOTICE)
        with pytest.raises(StoreError, match="another agent, stopped perhaps, keeps it locked"):
            one.backend.write(Key(MEMBERS, "10.0.0.3"), b"", PATIENCE)
    two.seen.wait_names(MEMBERS, [member(2).name], 2 * NOTICE)


def test_what_cannot_be_read_is_not_taken_for_dead(peers: Peers, store: FilesUnderTest) -> None:
    path = store.path(member(1))
    path.mkdir(parents=True)
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.register(member(2))
    one.seen.wait_names(MEMBERS, [member(2).name], PATIENCE)
    path.rmdir()
    one.wait_claim(member(1), Claim.OURS, NOTICE)


def test_a_directory_that_cannot_be_made_is_named_and_tried_again(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    seen = Recorder()
    settings = StoreSettings(node="n", instance="i", hosts=(str(blocked / "store"),))
    backend = StoreClient(FileDriver, settings, seen)
    backend.watch(MEMBERS)
    backend.open()
    try:
        seen.wait_state(StoreState.LOST, PATIENCE)
        assert seen.snapshots(MEMBERS) == [], "what is unknown is not empty"
        blocked.unlink()
        blocked.mkdir()
        seen.wait_state(StoreState.CONNECTED, PATIENCE)
        seen.wait_names(MEMBERS, [], NOTICE)
    finally:
        backend.close(2.0)


def test_without_inotify_changes_are_seen_by_looking(
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
    two.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
    wait_for("both have tried in vain", lambda: len(refused) == 2 * ATTEMPTS)
    one.backend.deregister(member(1))
    two.seen.wait_names(MEMBERS, [], PATIENCE)
    one.register(member(2))
    two.seen.wait_names(MEMBERS, [member(2).name], PATIENCE)
    assert len(refused) == 2 * ATTEMPTS, "each attempt may cost descriptors"


def test_what_cannot_be_watched_leaves_no_thread(tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(OSError, match="No such file"):
        Changes(tmp_path / "nothing", lambda path, closed: None).start()
    assert threads_of(threads) == set()


def test_no_child_inherits_a_registration(peers: Peers, store: FilesUnderTest) -> None:
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, PATIENCE)
    inode = store.path(member(1)).stat().st_ino
    descriptors = [int(fd.name) for fd in Path("/proc/self/fd").iterdir() if _inode(fd) == inode]
    assert descriptors
    assert not any(map(_inheritable, descriptors))


def _inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # it was that of somebody who had a look
        return False


def _inode(descriptor: Path) -> int:
    try:
        return descriptor.stat().st_ino
    except OSError:  # it was the listing's own
        return 0


def test_modes_do_not_depend_on_the_umask(peers: Peers, store: FilesUnderTest) -> None:
    """Those of ExaBGP's helpers is 0137: no folder of theirs could be entered."""
    old = os.umask(0o137)
    try:
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.wait_claim(member(1), Claim.OURS, PATIENCE)
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
    one.seen.wait_names(STATES, ["node1"], PATIENCE)
    one.backend.write(Key(MAINTENANCE, "all"), b"", PATIENCE)
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
def test_bad_settings_are_refused(settings: StoreSettings, message: str) -> None:
    with pytest.raises(StoreConfigError, match=message):
        FileDriver(settings)
