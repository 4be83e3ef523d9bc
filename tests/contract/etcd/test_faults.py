"""Faults of leases, watches and servers."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.contract.etcd.under_test import RENEWED, EtcdUnderTest
from tests.contract.sessions import detail, registered
from tests.servers.etcd import Etcd
from tests.servers.process import wait_for
from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.death import holder
from vipagent.testing.faults import MAX_RECOVERY
from vipagent.testing.peers import MAINTENANCE, MEMBERS, STATES, Peers, eventually, member
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState
from vipagent_etcd import follower, listing
from vipagent_etcd.channel import read_message
from vipagent_etcd.errors import EtcdRefused, Unavailable, Unreachable


class TestLeases:
    """Lost leases, and leases of killed and frozen agents."""

    def test_a_lost_lease_is_made_again_and_the_entries_put_again(
        self, peers: Peers, store: EtcdUnderTest
    ) -> None:
        agent = registered(peers)
        agent.backend.register(Key(STATES, "node1"), b"state")
        eventually(lambda: store.get(Key(STATES, "node1")), WAIT_TIMEOUT, "the state exists")
        lost = store.get(member(1))["lease"]
        mark = agent.seen.mark()
        store.server.ask("/v3/lease/revoke", {"ID": lost})
        agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT, mark)
        assert StoreState.LOST in agent.seen.states(mark)
        agent.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
        eventually(lambda: store.get(Key(STATES, "node1")), MAX_PROPAGATION, "the state exists again")
        leases = {store.get(key)["lease"] for key in (member(1), Key(STATES, "node1"))}
        assert len(leases) == 1
        assert leases.isdisjoint({lost, "0"}), "an entry without a lease would be permanent"

    def test_a_put_on_a_lost_lease_gets_another(self, peers: Peers, store: EtcdUnderTest) -> None:
        agent = registered(peers)
        store.server.ask("/v3/lease/revoke", {"ID": store.get(member(1))["lease"]})
        agent.register(member(2))  # before the next keep-alive
        agent.wait_claim(member(2), Claim.OURS, MAX_PROPAGATION)
        agent.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
        assert int(store.get(member(2)).get("lease", 0)) > 0

    def test_the_servers_floor_is_what_counts(self, peers: Peers, server: Etcd, store: EtcdUnderTest) -> None:
        store.life = 1.0
        agent = registered(peers)
        assert "lease TTL 2 s" in detail(agent)
        mark, before = agent.seen.mark(), server.metric(RENEWED)
        with agent.seen.always_contains(MEMBERS, member(1).name):
            wait_for(
                "3 s of keep-alives", lambda: server.metric(RENEWED) >= before + 5, WAIT_TIMEOUT, every=0.2
            )
        assert StoreState.LOST not in agent.seen.states(mark)

    def test_an_agent_that_was_stopped_for_longer_than_its_life_registers_again(
        self, peers: Peers, store: EtcdUnderTest
    ) -> None:
        watcher = peers.join("node2")
        watcher.watch(MEMBERS)
        with holder(store, "node1", "stopped", [member(1).name]) as child:
            watcher.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
            os.kill(child.pid, signal.SIGSTOP)
            watcher.seen.wait_names(MEMBERS, [], store.expiry)
            os.kill(child.pid, signal.SIGCONT)
            watcher.seen.wait_names(MEMBERS, [member(1).name], MAX_RECOVERY)


class TestWatches:
    """Compaction, and limits of watches."""

    def test_a_watch_resumes_after_a_compaction(self, peers: Peers, store: EtcdUnderTest) -> None:
        """Its next revision is compacted: directories are listed again, and no change is missed."""
        agent = registered(peers)
        for turn in range(20):
            store.put(b"/elsewhere", str(turn).encode())
        now = store.server.ask("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        store.server.ask("/v3/kv/compaction", {"revision": now, "physical": True})
        mark = agent.seen.mark()
        agent.watch(MAINTENANCE)  # reopens the watch from its last revision
        agent.seen.wait_names(MAINTENANCE, [], WAIT_TIMEOUT)
        store.create_foreign(member(2), b"")
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], MAX_PROPAGATION)
        assert agent.seen.states(mark) == [], "the session is unaffected"

    def test_more_directories_than_one_transaction_takes(self, peers: Peers, store: EtcdUnderTest) -> None:
        store.life = 10.0
        agent, other = peers.make("node1"), peers.join("node2")
        services = [Directory(Kind.MEMBERS, f"service{number}") for number in range(250)]
        for service in services:
            agent.watch(service)
        agent.backend.open()
        for service in services:
            agent.seen.wait_names(service, [], WAIT_TIMEOUT)
        other.register(Key(services[-1], "10.0.0.1"))
        agent.seen.wait_names(services[-1], ["10.0.0.1"], MAX_PROPAGATION)
        assert agent.seen.states() == [StoreState.CONNECTED], "at the first attempt"

    def test_of_a_huge_directory_the_first_entries_are_delivered(
        self, peers: Peers, store: EtcdUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After the deletion of one of them the following entry is found by listing."""
        monkeypatch.setattr(listing, "MAX_ENTRIES", 5)
        for last in range(8):
            store.create_foreign(member(last), b"")
        agent = peers.join("node9")
        agent.watch(MEMBERS)
        names = [member(last).name for last in range(8)]
        agent.seen.wait_names(MEMBERS, names[:5], WAIT_TIMEOUT)
        store.delete(member(0))
        agent.seen.wait_names(MEMBERS, names[1:6], follower.RELIST_DELAY + MAX_PROPAGATION)

    def test_an_unwatched_registration_is_kept(self, peers: Peers, store: EtcdUnderTest) -> None:
        agent = peers.join("node1")
        agent.register(member(1))
        eventually(lambda: store.get(member(1)), MAX_PROPAGATION, "it is registered")
        for _ in range(3):
            store.delete(member(1))
            eventually(lambda: store.get(member(1)), MAX_PROPAGATION, "it exists again")

    def test_a_late_request_of_a_frozen_server_is_undone(self, peers: Peers, store: EtcdUnderTest) -> None:
        """A cancelled request that is executed after the deregistration."""
        agent = registered(peers)
        lease = store.get(member(1))["lease"]
        agent.register(member(2))
        agent.backend.deregister(member(1))
        agent.seen.wait_names(MEMBERS, [member(2).name], MAX_PROPAGATION)
        mark = agent.seen.mark()
        store.put(member(1).path(store.prefix).encode(), agent.value, lease=lease)
        agent.seen.wait_names(MEMBERS, [member(2).name], MAX_PROPAGATION, mark)
        assert store.get(member(1)) == {}


class TestServer:
    """A server that returns without its data."""

    def test_a_server_that_has_lost_its_data(self, tmp_path: Path) -> None:
        """Its revisions restart, and lease and entries are missing: all are created again."""
        server = Etcd(tmp_path / "etcd")
        server.start()
        peers = Peers(EtcdUnderTest(server))
        try:
            agent = registered(peers)
            for last in range(2, 9):
                agent.register(member(last))
            names = [member(last).name for last in range(1, 9)]
            agent.seen.wait_names(MEMBERS, names, WAIT_TIMEOUT)
            mark = agent.seen.mark()
            server.kill()
            shutil.rmtree(tmp_path / "etcd" / "data")
            server.start()
            agent.seen.wait_state(StoreState.CONNECTED, MAX_RECOVERY, mark)
            agent.seen.wait_names(MEMBERS, names, MAX_RECOVERY, mark)
        finally:
            peers.close()
            server.stop()


@pytest.mark.parametrize(
    ("status", "line", "code"),
    [
        (404, b'{"error":"gone","message":"gone","code":5}', 5),  # a request, etcd 3.4 and 3.5
        (404, b'{"code":5,"message":"gone","details":[]}', 5),  # a request, etcd 3.6
        (200, b'{"error":{"grpc_code":14,"http_code":503,"message":"gone"}}', 14),  # a stream, etcd 3.4
        (200, b'{"error":{"code":14,"message":"gone","details":[]}}', 14),  # a stream, etcd 3.6
        (500, b'{"message":"gone"}', 0),
    ],
)
def test_refusals_of_every_generation_are_read(status: int, line: bytes, code: int) -> None:
    kind = Unavailable if code == 14 else EtcdRefused  # gRPC's UNAVAILABLE: retry with another server
    with pytest.raises(kind, match=r"^gone$") as refusal:
        read_message(status, line)
    assert getattr(refusal.value, "code", 14) == code


@pytest.mark.parametrize("line", [b"", b"<html>", b"[1]", b'"text"', b"[" * 100_000, b"\xff\x00"])
def test_an_invalid_response_is_a_connection_error(line: bytes) -> None:
    with pytest.raises(Unreachable, match="without JSON"):
        read_message(200, line)
