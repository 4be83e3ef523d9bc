"""ZooKeeper passes the suite against a real server, keeps ExaZK's tree, and heals by itself."""

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
from vipagent.core.words import Claim, StoreState
from vipagent.store.backend import StoreConfigError, StoreError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.store.layout import Key
from vipagent.store.records import Maintenance
from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults
from vipagent.testing.peers import MAINTENANCE, MEMBERS, STATES, Peer, Peers, eventually, member
from vipagent.testing.recorder import Recorder
from vipagent.testing.slowness import allowed
from vipagent.testing.store import NOTICE, PATIENCE
from vipagent_zookeeper import ZooKeeperDriver, follower, wire, znodes

LONG = 10.0
"""Seconds of a session's life in which even a busy machine moves to another server."""
WITHIN_SESSION = LONG - 0.5
"""Seconds: a failover that takes no longer costs no session."""


class TestZooKeeper(BackendContract):
    """All that holds for a store that is well."""


class TestZooKeeperProcesses(ProcessDeath):
    """Agents that die without a word."""


class TestZooKeeperFaults(ServerFaults):
    """A server that dies or freezes."""


def alone(
    *hosts: str, prefix: str = "/exabgp", life: float = LIFE, options: Mapping[str, object] | None = None
) -> Peer:
    """Return a session that is not under the suite's care."""
    seen = Recorder()
    settings = StoreSettings("node1", "run1", hosts, prefix, life, options or {})
    return Peer(StoreClient(ZooKeeperDriver, settings, seen), seen)


def test_exazk_and_the_agent_see_each_other(server: ZooKeeper, store: ZooKeeperUnderTest) -> None:
    """Word for word ExaZK's tree, as in a migration (S2)."""
    agent, exazk = alone(server.address), store.foreign
    agent.watch(MEMBERS)
    agent.watch(MAINTENANCE)
    agent.backend.open()
    try:
        agent.seen.wait_names(MEMBERS, [], PATIENCE)
        exazk.ensure_path("/exabgp/service/apex")
        exazk.create("/exabgp/service/apex/10.20.255.2", ephemeral=True)
        assert agent.wait_claim(Key(MEMBERS, "10.20.255.2"), Claim.OTHER, NOTICE).value == b""
        agent.register(Key(MEMBERS, "10.20.255.1"))
        agent.wait_claim(Key(MEMBERS, "10.20.255.1"), Claim.OURS, NOTICE)
        assert set(exazk.get_children("/exabgp/service/apex")) == {"10.20.255.1", "10.20.255.2"}
        assert exazk.exists("/exabgp/service/apex/10.20.255.1").ephemeralOwner != 0
        exazk.create("/exabgp/maintenance/apex/node1", makepath=True)
        entry = agent.seen.wait_names(MAINTENANCE, ["node1"], NOTICE)["node1"]
        assert Maintenance.load(entry.value) == Maintenance()
        assert agent.backend.erase(Key(MAINTENANCE, "node1"), PATIENCE)
        agent.backend.write(Key(MAINTENANCE, "all"), b"", PATIENCE)
        assert exazk.exists("/exabgp/maintenance/apex/all").ephemeralOwner == 0
    finally:
        agent.backend.close(2.0)
        exazk.delete("/exabgp", recursive=True)


def test_a_session_that_another_client_ends_is_made_anew(peers: Peers, store: ZooKeeperUnderTest) -> None:
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, PATIENCE)
    assert isinstance(one.backend, StoreClient)
    driver = one.backend._driver
    assert isinstance(driver, ZooKeeperDriver)
    mark = one.seen.mark()
    thief = KazooClient(store.server.address, client_id=driver._connection.link.client.client_id)
    thief.start()
    thief.stop()
    thief.close()
    one.seen.wait_for(
        lambda: one.seen.states(mark)[-2:] == [StoreState.LOST, StoreState.CONNECTED],
        PATIENCE,
        "lost and back",
    )
    one.seen.wait_names(MEMBERS, [member(1).name], NOTICE, mark)
    one.wait_claim(member(1), Claim.OURS, NOTICE)


def test_a_directory_that_is_deleted_and_made_again_is_still_watched(
    peers: Peers, store: ZooKeeperUnderTest
) -> None:
    """Three levels of it, twice: a watch on what is not there yet is a watch as well."""
    one = peers.join("node1")
    one.watch(MEMBERS)
    for _ in range(2):
        store.foreign.ensure_path(MEMBERS.path(store.prefix))
        store.foreign.delete(store.prefix, recursive=True)
        one.seen.wait_names(MEMBERS, [], PATIENCE)
        store.plant(member(1), b"")
        one.seen.wait_names(MEMBERS, [member(1).name], NOTICE)


def test_a_registration_survives_the_deletion_of_its_directory(
    peers: Peers, store: ZooKeeperUnderTest
) -> None:
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, PATIENCE)
    mark = one.seen.mark()
    deletion = (
        store.foreign.transaction()
    )  # one by one, the registration would be back before its directory goes
    own = PurePosixPath(member(1).path(store.prefix))
    for path in (own, *own.parents[:-1]):
        deletion.delete(str(path))
    assert set(deletion.commit()) == {True}
    one.seen.wait_for(lambda: {} in one.seen.snapshots(MEMBERS, mark), NOTICE, "its absence is seen")
    one.wait_claim(member(1), Claim.OURS, NOTICE)


def test_persistent_litter_on_the_own_key_is_a_conflict_until_it_is_gone(
    peers: Peers, store: ZooKeeperUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    """Also a deep one, which no agent can remove; nothing is tried in a loop."""
    path = member(1).path(store.prefix)
    store.foreign.ensure_path(f"{path}/deep/tree")
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OTHER, PATIENCE)
    store.foreign.delete(path, recursive=True)
    one.wait_claim(member(1), Claim.OURS, NOTICE)
    assert caplog.records == []


def test_a_maintenance_key_with_znodes_below_it_says_why_it_stays(
    peers: Peers, store: ZooKeeperUnderTest
) -> None:
    key = Key(MAINTENANCE, "node1")
    store.foreign.ensure_path(f"{key.path(store.prefix)}/below")
    operator = peers.join("operator")
    with pytest.raises(StoreError, match=r"erasing /test\d+/maintenance/apex/node1: .*znodes below it"):
        operator.backend.erase(key, PATIENCE)


def test_an_ephemeral_maintenance_key_becomes_persistent_when_it_is_written(
    peers: Peers, store: ZooKeeperUnderTest
) -> None:
    key = Key(MAINTENANCE, "all")
    store.plant(key, b"")
    peers.join("operator").backend.write(key, b"to last", PATIENCE)
    value, stat = store.foreign.get(key.path(store.prefix))
    assert (value, stat.ephemeralOwner) == (b"to last", 0)


def test_no_more_entries_are_handed_over_than_may_be(
    peers: Peers, store: ZooKeeperUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(znodes, "MAX_ENTRIES", 3)
    monkeypatch.setattr(follower, "BATCH", 2)
    for name in "edcba":
        store.foreign.create(Key(MEMBERS, name).path(store.prefix), name.encode(), makepath=True)
    one = peers.join("node1")
    one.watch(MEMBERS)
    seen = one.seen.wait_names(MEMBERS, ["a", "b", "c"], PATIENCE)
    assert [entry.value for entry in seen.values()] == [b"a", b"b", b"c"]


def test_a_value_that_no_server_takes_is_refused(peers: Peers) -> None:
    """A server would hang up on it, and again at each attempt."""
    operator = peers.join("operator")
    mark = operator.seen.mark()
    with pytest.raises(StoreError, match="1500000 bytes is too large"):
        operator.backend.write(Key(MAINTENANCE, "all"), b"x" * 1_500_000, PATIENCE)
    assert operator.backend.read(MAINTENANCE, PATIENCE) == {}
    assert operator.seen.events(mark) == []


def test_the_server_decides_how_long_a_session_lives(server: ZooKeeper) -> None:
    """Its least is two ticks of 2 s: LOST is told by that, not by what was asked for."""
    hasty = alone(server.address, life=1.0)
    hasty.backend.open()
    try:
        hasty.seen.wait_state(StoreState.CONNECTED, PATIENCE)
        assert detail(hasty) == f"{server.address}, session life 4 s"
    finally:
        hasty.backend.close(2.0)


def test_an_idle_agent_asks_for_signs_of_life_alone(peers: Peers, store: ZooKeeperUnderTest) -> None:
    """Four in a session's life; no polling beyond."""
    one = peers.join("node1")
    one.watch(MEMBERS)
    one.register(member(1))
    one.wait_claim(member(1), Claim.OURS, PATIENCE)

    def received() -> int:
        """What came from sessions with the agent's life, which the foreign client's is not."""
        cons = store.server.ask("cons")
        return sum(int(count) for count in re.findall(rf"recved=(\d+),.*,to={LIFE * 1000:.0f},", cons))

    def a_life_long() -> int:
        before, began = received(), time.monotonic()
        eventually(lambda: time.monotonic() - began > LIFE, 2 * LIFE, "a session's life has passed")
        return received() - before

    # the first life may begin with a look at its own entry, of which it was told just now
    eventually(lambda: 3 <= a_life_long() <= 5, 3 * LIFE, "four requests in a session's life")


def test_a_busy_agent_notices_a_frozen_server_as_well(peers: Peers, store: ZooKeeperUnderTest) -> None:
    """kazoo takes its own requests for signs of life, and would never notice."""
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
    one.seen.wait_state(StoreState.CONNECTED, PATIENCE, mark)


def test_a_server_that_lost_its_data_is_used_again(tmp_path: Path) -> None:
    """It refuses sessions that have seen more than it knows: only a new one gets in."""
    server = ZooKeeper(tmp_path)
    server.start()
    one = alone(server.address)
    one.watch(MEMBERS)
    one.register(member(1))
    one.backend.open()
    try:
        one.wait_claim(member(1), Claim.OURS, PATIENCE)
        mark = one.seen.mark()
        server.kill()
        shutil.rmtree(tmp_path / "data")
        server.start()
        one.seen.wait_names(MEMBERS, [member(1).name], PATIENCE, mark)
        one.wait_claim(member(1), Claim.OURS, NOTICE)
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
    """A leader's death costs no session; without a quorum nothing seems gone; then all is as it was."""
    one, two = (alone(*ensemble.hosts, life=LONG) for _ in range(2))
    try:
        for peer in (one, two):
            peer.watch(MEMBERS)
            peer.backend.open()
        one.register(member(1))
        for peer in (one, two):
            peer.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        mark = one.seen.mark()
        with two.seen.never_without(MEMBERS, member(1).name):
            first = ensemble.leader()
            first.kill()
            ensemble.leader()
            one.register(member(2))
            two.seen.wait_names(MEMBERS, [member(1).name, member(2).name], PATIENCE)
            assert StoreState.LOST not in one.seen.states(mark)
            second = ensemble.leader()
            second.kill()
            for peer in (one, two):
                peer.seen.wait_state(StoreState.LOST, PATIENCE)
            mark = two.seen.mark()
            first.start()
            for peer in (one, two):
                peer.seen.wait_state(StoreState.CONNECTED, PATIENCE)
            two.seen.wait_names(MEMBERS, [member(1).name, member(2).name], PATIENCE, mark)
            one.backend.deregister(member(2))
            two.seen.wait_names(MEMBERS, [member(1).name], NOTICE)
    finally:
        for peer in (one, two):
            peer.backend.close(2.0)


def test_a_frozen_member_of_an_ensemble_is_left_for_another_in_time(ensemble: Ensemble) -> None:
    """It takes requests and answers none: the session moves before it ends."""
    one = alone(*ensemble.hosts, life=LONG)
    one.watch(MEMBERS)
    one.register(member(1))
    one.backend.open()
    try:
        one.wait_claim(member(1), Claim.OURS, PATIENCE)
        mark = one.seen.mark()
        (frozen,) = [server for server in ensemble.servers if detail(one).startswith(server.address)]
        frozen.pause()
        one.seen.wait_told(StoreState.UNSURE, WITHIN_SESSION, mark)
        one.seen.wait_state(StoreState.CONNECTED, WITHIN_SESSION, mark)
        assert StoreState.LOST not in one.seen.states(mark)
        assert not detail(one).startswith(frozen.address)
        one.register(member(2))
        one.wait_claim(member(2), Claim.OURS, PATIENCE)
    finally:
        one.backend.close(2.0)


def test_of_several_hosts_one_that_answers_is_enough(server: ZooKeeper) -> None:
    with socket.create_server((HOST, 0)) as silent:  # takes connections, and says nothing
        hosts = (f"{HOST}:{silent.getsockname()[1]}", f"{HOST}:1", "nowhere.invalid:2181", server.address)
        one = alone(*hosts)
        one.backend.open()
        try:
            one.seen.wait_state(StoreState.CONNECTED, PATIENCE)
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
def test_what_keeps_us_from_a_host_is_told_once(
    host: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = alone(host)
    one.backend.open()
    try:
        one.seen.wait_state(StoreState.LOST, PATIENCE)
        assert re.fullmatch(f"(?i){cause}.*", detail(one))
        with pytest.raises(StoreError, match=r"/exabgp/service/apex: not done within 1\.5 s: ") as error:
            one.backend.read(MEMBERS, 1.5)
        assert re.search(f"(?i){cause}", str(error.value))
        assert one.seen.states() == [StoreState.LOST], "each attempt fails alike: no news"
        assert caplog.records == [], "kazoo's warnings, once a second, are no news either"
    finally:
        one.backend.close(2.0)


def test_a_host_that_says_nothing_is_named() -> None:
    with socket.create_server((HOST, 0)) as silent:
        address = f"{HOST}:{silent.getsockname()[1]}"
        one = alone(address, life=6.0)
        one.backend.open()
        try:
            one.seen.wait_state(StoreState.LOST, PATIENCE)
            assert detail(one) == f"{address}: no answer within 2 s"
        finally:
            began = time.monotonic()
            one.backend.close(allowed(2.0))
            assert time.monotonic() - began < allowed(1.9)


def test_a_host_that_takes_no_connection_is_named_and_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is full, as if packets were lost on the way."""
    monkeypatch.setattr(wire, "DIAL", 3.0)
    with socket.create_server((HOST, 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        address = f"{HOST}:{full.getsockname()[1]}"
        one = alone(address)
        one.backend.open()
        try:
            one.seen.wait_state(StoreState.LOST, PATIENCE)
            assert detail(one) == f"{address}: no answer to a connection"
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
        ("h", {"auth": "digest"}, "auth and user go together"),
        ("h", {"auth": "digest", "user": "a:b", "password_env": "HOME"}, "'a:b': a colon"),
        ("h", {"auth": "digest", "user": "a"}, "password_file and password_env"),
        ("h", {"auth": "digest", "user": "a", "password_env": "UNSET_VARIABLE"}, "UNSET_VARIABLE"),
        ("h", {"auth": "digest", "user": "a", "password_file": "/nowhere"}, "/nowhere: No such file"),
        ("h", {"password_env": "HOME"}, "goes with auth"),
        ("h", {"ca": "/etc/passwd"}, "ca needs tls: true"),
    ],
)
def test_options_that_can_never_work_are_refused(
    host: str, options: dict[str, object], complaint: str
) -> None:
    with pytest.raises(StoreConfigError, match=complaint):
        alone(host, options=options)


@pytest.mark.parametrize("prefix", ["", "exabgp", "/", "/a//b", "/a/../b", "/a\nb"])
def test_a_prefix_that_is_no_path_is_refused(prefix: str) -> None:
    with pytest.raises(StoreConfigError, match="no absolute path"):
        alone("h", prefix=prefix)


def test_sasl_without_its_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StoreConfigError, match="needs the Python package pure-sasl"):
        alone("h", options={"auth": "sasl", "user": "a", "password_env": "HOME"})


def test_the_server_s_version_is_told(peers: Peers) -> None:
    assert re.fullmatch(r"ZooKeeper 3\.\d+\.\d+", peers.make("operator").backend.version(PATIENCE))


def test_a_server_that_keeps_its_version_to_itself_is_no_trouble() -> None:
    with socket.create_server((HOST, 0)) as mute:
        hosts = (f"{HOST}:{mute.getsockname()[1]}",)
        backend = StoreClient(ZooKeeperDriver, StoreSettings(node="n", instance="i", hosts=hosts), Recorder())
        assert backend.version(0.2) == ""
