"""Contract tests of ZooKeeper with real servers, ExaZK's tree, and recovery."""

import logging
import re
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import pytest
from kazoo.client import KazooClient

from tests.contract.sessions import detail
from tests.contract.zookeeper.under_test import LIFE, ZooKeeperUnderTest
from tests.servers.zookeeper import HOST, Ensemble, ZooKeeper
from vipagent.store.backend import StoreConfigError, StoreError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.store.layout import Key
from vipagent.store.records import Maintenance
from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults
from vipagent.testing.peers import MAINTENANCE, MEMBERS, STATES, Peer, Peers, eventually, member
from vipagent.testing.recorder import Recorder
from vipagent.testing.slowness import allowed
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState
from vipagent_zookeeper import ZooKeeperDriver, connecting, follower, znodes

LONG = 10.0
"""Session timeout in seconds that is sufficient for a failover, even on a busy machine."""
WITHIN_SESSION = LONG - 0.5
"""Maximum duration of a failover in seconds that keeps the session."""


class TestZooKeeper(BackendContract):
    """Tests without faults."""


class TestZooKeeperProcesses(ProcessDeath):
    """Tests with killed agents."""


class TestZooKeeperFaults(ServerFaults):
    """Tests with a killed or frozen server."""


def alone(
    *hosts: str, prefix: str = "/exabgp", life: float = LIFE, options: Mapping[str, object] | None = None
) -> Peer:
    """Return a session that the suite does not close."""
    seen = Recorder()
    settings = StoreSettings("node1", "run1", hosts, prefix, life, options or {})
    return Peer(StoreClient(ZooKeeperDriver, settings, seen), seen)


def test_exazk_and_the_agent_see_each_other(server: ZooKeeper, store: ZooKeeperUnderTest) -> None:
    """The same tree as ExaZK, for migrations (S2)."""
    agent, exazk = alone(server.address), store.foreign
    agent.watch(MEMBERS)
    agent.watch(MAINTENANCE)
    agent.backend.open()
    try:
        agent.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
        exazk.ensure_path("/exabgp/service/apex")
        exazk.create("/exabgp/service/apex/10.20.255.2", ephemeral=True)
        assert agent.wait_claim(Key(MEMBERS, "10.20.255.2"), Claim.OTHER, MAX_PROPAGATION).value == b""
        agent.register(Key(MEMBERS, "10.20.255.1"))
        agent.wait_claim(Key(MEMBERS, "10.20.255.1"), Claim.OURS, MAX_PROPAGATION)
        assert set(exazk.get_children("/exabgp/service/apex")) == {"10.20.255.1", "10.20.255.2"}
        assert exazk.exists("/exabgp/service/apex/10.20.255.1").ephemeralOwner != 0
        exazk.create("/exabgp/maintenance/apex/node1", makepath=True)
        entry = agent.seen.wait_names(MAINTENANCE, ["node1"], MAX_PROPAGATION)["node1"]
        assert Maintenance.load(entry.value) == Maintenance()
        assert agent.backend.erase(Key(MAINTENANCE, "node1"), WAIT_TIMEOUT)
        agent.backend.write(Key(MAINTENANCE, "all"), b"", WAIT_TIMEOUT)
        assert exazk.exists("/exabgp/maintenance/apex/all").ephemeralOwner == 0
    finally:
        agent.backend.close(2.0)
        exazk.delete("/exabgp", recursive=True)


def test_a_session_closed_by_another_client_is_replaced(peers: Peers, store: ZooKeeperUnderTest) -> None:
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    assert isinstance(one.backend, StoreClient)
    driver = one.backend._driver
    assert isinstance(driver, ZooKeeperDriver)
    mark = one.seen.mark()
    thief = KazooClient(store.server.address, client_id=driver._connection.session.client.client_id)
    thief.start()
    thief.stop()
    thief.close()
    one.seen.wait_for(
        lambda: one.seen.states(mark)[-2:] == [StoreState.LOST, StoreState.CONNECTED],
        WAIT_TIMEOUT,
        "lost and reconnected",
    )
    one.seen.wait_names(MEMBERS, [member(1).name], MAX_PROPAGATION, mark)
    one.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)


def test_a_recreated_directory_is_still_watched(peers: Peers, store: ZooKeeperUnderTest) -> None:
    """Three levels, twice: missing znodes are watched as well."""
    one = peers.join("node1")
    one.watch(MEMBERS)
    for _ in range(2):
        store.foreign.ensure_path(MEMBERS.path(store.prefix))
        store.foreign.delete(store.prefix, recursive=True)
        one.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
        store.create_foreign(member(1), b"")
        one.seen.wait_names(MEMBERS, [member(1).name], MAX_PROPAGATION)


def test_a_registration_survives_the_deletion_of_its_directory(
    peers: Peers, store: ZooKeeperUnderTest
) -> None:
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    mark = one.seen.mark()
    deletion = (
        store.foreign.transaction()
    )  # otherwise the registration would return before its directory is deleted
    own = PurePosixPath(member(1).path(store.prefix))
    for path in (own, *own.parents[:-1]):
        deletion.delete(str(path))
    assert set(deletion.commit()) == {True}
    one.seen.wait_for(lambda: {} in one.seen.snapshots(MEMBERS, mark), MAX_PROPAGATION, "its absence is seen")
    one.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)


def test_a_persistent_znode_at_the_own_key_is_a_conflict(
    peers: Peers, store: ZooKeeperUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one with children, which an agent cannot delete; requests are not repeated in a loop."""
    path = member(1).path(store.prefix)
    store.foreign.ensure_path(f"{path}/deep/tree")
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OTHER, WAIT_TIMEOUT)
    store.foreign.delete(path, recursive=True)
    one.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
    assert caplog.records == []


def test_a_maintenance_key_with_children_reports_why_it_stays(
    peers: Peers, store: ZooKeeperUnderTest
) -> None:
    key = Key(MAINTENANCE, "node1")
    store.foreign.ensure_path(f"{key.path(store.prefix)}/below")
    operator = peers.join("operator")
    with pytest.raises(
        StoreError, match=r"erasing /test\d+/maintenance/apex/node1: .*the znode has children"
    ):
        operator.backend.erase(key, WAIT_TIMEOUT)


def test_an_ephemeral_maintenance_key_becomes_persistent_when_it_is_written(
    peers: Peers, store: ZooKeeperUnderTest
) -> None:
    key = Key(MAINTENANCE, "all")
    store.create_foreign(key, b"")
    peers.join("operator").backend.write(key, b"to last", WAIT_TIMEOUT)
    value, stat = store.foreign.get(key.path(store.prefix))
    assert (value, stat.ephemeralOwner) == (b"to last", 0)


def test_the_number_of_delivered_entries_is_limited(
    peers: Peers, store: ZooKeeperUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(znodes, "MAX_ENTRIES", 3)
    monkeypatch.setattr(follower, "MAX_PARALLEL_REQUESTS", 2)
    for name in "edcba":
        store.foreign.create(Key(MEMBERS, name).path(store.prefix), name.encode(), makepath=True)
    one = peers.join("node1")
    one.watch(MEMBERS)
    seen = one.seen.wait_names(MEMBERS, ["a", "b", "c"], WAIT_TIMEOUT)
    assert [entry.value for entry in seen.values()] == [b"a", b"b", b"c"]


def test_a_value_that_is_too_large_is_rejected(peers: Peers) -> None:
    """A server would close the connection at each attempt."""
    operator = peers.join("operator")
    mark = operator.seen.mark()
    with pytest.raises(StoreError, match="1500000 bytes is too large"):
        operator.backend.write(Key(MAINTENANCE, "all"), b"x" * 1_500_000, WAIT_TIMEOUT)
    assert operator.backend.read(MAINTENANCE, WAIT_TIMEOUT) == {}
    assert operator.seen.events(mark) == []


def test_the_server_decides_how_long_a_session_lives(server: ZooKeeper) -> None:
    """Its minimum is two ticks of 2 s, which determines LOST."""
    hasty = alone(server.address, life=1.0)
    hasty.backend.open()
    try:
        hasty.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
        assert detail(hasty) == f"{server.address}, session timeout 4 s"
    finally:
        hasty.backend.close(2.0)


def test_an_idle_agent_sends_only_keep_alives(peers: Peers, store: ZooKeeperUnderTest) -> None:
    """Four per session timeout, without polling."""
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)

    def received() -> int:
        """Return the number of requests of sessions with the agent's timeout."""
        cons = store.server.ask("cons")
        return sum(int(count) for count in re.findall(rf"recved=(\d+),.*,to={LIFE * 1000:.0f},", cons))

    def a_life_long() -> int:
        before, began = received(), time.monotonic()
        eventually(lambda: time.monotonic() - began > LIFE, 2 * LIFE, "a session timeout has passed")
        return received() - before

    # the first one may start with a read of its own entry
    eventually(lambda: 3 <= a_life_long() <= 5, 3 * LIFE, "four requests per session timeout")


def test_a_busy_agent_detects_a_frozen_server(peers: Peers, store: ZooKeeperUnderTest) -> None:
    """kazoo counts its own requests as keep-alives, and would not detect it."""
    one = peers.join("node1")
    mark = one.seen.mark()
    store.pause()
    try:
        began = time.monotonic()
        while StoreState.LOST not in one.seen.states(mark):
            assert time.monotonic() - began < allowed(LIFE + 2.0), one.seen.events(mark)
            one.backend.register(Key(STATES, "node1"), f"{time.monotonic()}".encode())
            time.sleep(0.05)  # as busy as this
    finally:
        store.resume()
    one.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT, mark)


def test_a_server_that_lost_its_data_is_used_again(tmp_path: Path) -> None:
    """It rejects sessions with a newer state: a new session is required."""
    server = ZooKeeper(tmp_path)
    server.start()
    one = alone(server.address)
    one.watch(MEMBERS)
    one.register(member(1))
    one.backend.open()
    try:
        one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        mark = one.seen.mark()
        server.kill()
        shutil.rmtree(tmp_path / "data")
        server.start()
        one.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT, mark)
        one.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
    finally:
        one.backend.close(2.0)
        server.stop()


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[Ensemble]:
    ensemble = Ensemble(tmp_path)
    ensemble.start()
    yield ensemble
    ensemble.stop()


def test_an_ensemble_that_loses_its_leader_then_its_quorum(ensemble: Ensemble) -> None:
    """An election keeps the session; without a quorum nothing disappears; then the state is restored."""
    one, two = (alone(*ensemble.hosts, life=LONG) for _ in range(2))
    try:
        for peer in (one, two):
            peer.watch(MEMBERS)
            peer.backend.open()
        one.register(member(1))
        for peer in (one, two):
            peer.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        mark = one.seen.mark()
        with two.seen.always_contains(MEMBERS, member(1).name):
            first = ensemble.leader()
            first.kill()
            ensemble.leader()
            one.register(member(2))
            two.seen.wait_names(MEMBERS, [member(1).name, member(2).name], WAIT_TIMEOUT)
            assert StoreState.LOST not in one.seen.states(mark)
            second = ensemble.leader()
            second.kill()
            for peer in (one, two):
                peer.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
            mark = two.seen.mark()
            first.start()
            for peer in (one, two):
                peer.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
            two.seen.wait_names(MEMBERS, [member(1).name, member(2).name], WAIT_TIMEOUT, mark)
            one.backend.deregister(member(2))
            two.seen.wait_names(MEMBERS, [member(1).name], MAX_PROPAGATION)
    finally:
        for peer in (one, two):
            peer.backend.close(2.0)


def test_a_frozen_member_of_an_ensemble_is_left_for_another_in_time(ensemble: Ensemble) -> None:
    """It accepts requests without replies: the session fails over before it expires."""
    one = alone(*ensemble.hosts, life=LONG)
    one.watch(MEMBERS)
    one.register(member(1))
    one.backend.open()
    try:
        one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        mark = one.seen.mark()
        (frozen,) = [server for server in ensemble.servers if detail(one).startswith(server.address)]
        frozen.pause()
        one.seen.wait_reported(StoreState.UNSURE, WITHIN_SESSION, mark)
        one.seen.wait_state(StoreState.CONNECTED, WITHIN_SESSION, mark)
        assert StoreState.LOST not in one.seen.states(mark)
        assert not detail(one).startswith(frozen.address)
        one.register(member(2))
        one.wait_claim(member(2), Claim.OURS, WAIT_TIMEOUT)
    finally:
        one.backend.close(2.0)


def test_of_several_hosts_one_that_answers_is_enough(server: ZooKeeper) -> None:
    with socket.create_server((HOST, 0)) as silent:  # accepts connections without replies
        hosts = (f"{HOST}:{silent.getsockname()[1]}", f"{HOST}:1", "nowhere.invalid:2181", server.address)
        one = alone(*hosts)
        one.backend.open()
        try:
            one.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
            assert detail(one).startswith(server.address)
        finally:
            one.backend.close(2.0)


@pytest.mark.parametrize(
    ("host", "cause"),
    [
        ("127.0.0.1:1", r"127\.0\.0\.1:1: Connection refused"),
        ("[::1]:1", r"\[::1\]:1: Connection refused"),
        ("nowhere.invalid:2181", r"nowhere\.invalid: .*name"),  # is not known, or cannot be resolved
    ],
)
def test_what_keeps_us_from_a_host_is_reported_once(
    host: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = alone(host)
    one.backend.open()
    try:
        one.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
        assert re.fullmatch(f"(?i){cause}.*", detail(one))
        with pytest.raises(StoreError, match=r"/exabgp/service/apex: not done within 1\.5 s: ") as error:
            one.backend.read(MEMBERS, 1.5)
        assert re.search(f"(?i){cause}", str(error.value))
        assert one.seen.states() == [StoreState.LOST], "repeated equal failures are not reported again"
        assert caplog.records == [], "kazoo's warnings are not logged again"
    finally:
        one.backend.close(2.0)


def test_a_host_that_says_nothing_is_named() -> None:
    with socket.create_server((HOST, 0)) as silent:
        address = f"{HOST}:{silent.getsockname()[1]}"
        one = alone(address, life=6.0)
        one.backend.open()
        try:
            one.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
            assert detail(one) == f"{address}: no response within 2 s"
        finally:
            began = time.monotonic()
            one.backend.close(allowed(2.0))
            assert time.monotonic() - began < allowed(1.9)


def test_a_host_that_accepts_no_connection_is_reported_and_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its accept queue is full, as if packets were lost."""
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT", 3.0)
    with socket.create_server((HOST, 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        address = f"{HOST}:{full.getsockname()[1]}"
        one = alone(address)
        one.backend.open()
        try:
            one.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
            assert detail(one) == f"{address}: connection timed out"
        finally:
            began = time.monotonic()
            one.backend.close(allowed(2.0))
            assert time.monotonic() - began < allowed(1.9), "an attempt takes longer"


@pytest.mark.parametrize(
    ("host", "options", "complaint"),
    [
        ("h:x", {}, "host 'h:x'"),
        ("h:1/chroot", {}, "host 'h:1/chroot'"),
        ("h", {"nope": 1}, "nope: unknown option. Valid options: .*auth, user, password_file"),
        ("h", {"tls": "maybe"}, "tls: "),
        ("h", {"auth": "kerberos"}, "auth: .*'digest' or 'sasl'"),
        ("h", {"auth": "digest"}, "auth requires user"),
        ("h", {"auth": "digest", "user": "a:b", "password_env": "HOME"}, "'a:b' contains a colon"),
        ("h", {"auth": "digest", "user": "a"}, "password_file and password_env"),
        ("h", {"auth": "digest", "user": "a", "password_env": "UNSET_VARIABLE"}, "UNSET_VARIABLE"),
        ("h", {"auth": "digest", "user": "a", "password_file": "/nowhere"}, "/nowhere: No such file"),
        ("h", {"password_env": "HOME"}, "auth requires"),
        ("h", {"ca": "/etc/passwd"}, "ca needs tls: true"),
    ],
)
def test_options_that_can_never_work_are_rejected(
    host: str, options: dict[str, object], complaint: str
) -> None:
    with pytest.raises(StoreConfigError, match=complaint):
        alone(host, options=options)


@pytest.mark.parametrize("prefix", ["", "exabgp", "/", "/a//b", "/a/../b", "/a\nb"])
def test_a_prefix_that_is_not_a_path_is_rejected(prefix: str) -> None:
    with pytest.raises(StoreConfigError, match="not a valid absolute path"):
        alone("h", prefix=prefix)


def test_sasl_without_its_library_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StoreConfigError, match="requires the Python package pure-sasl"):
        alone("h", options={"auth": "sasl", "user": "a", "password_env": "HOME"})


def test_the_server_s_version_is_reported(peers: Peers) -> None:
    assert re.fullmatch(r"ZooKeeper 3\.\d+\.\d+", peers.make("operator").backend.version(WAIT_TIMEOUT))


def test_a_server_that_keeps_its_version_to_itself_is_no_trouble() -> None:
    with socket.create_server((HOST, 0)) as mute:
        hosts = (f"{HOST}:{mute.getsockname()[1]}",)
        backend = StoreClient(ZooKeeperDriver, StoreSettings(node="n", instance="i", hosts=hosts), Recorder())
        assert backend.version(0.2) == ""
