"""What can befall etcd and the way to it; what is a known pitfall has its number in the name."""

import os
import resource
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.contract.etcds import LIFE, RENEWED, EtcdUnderTest, detail
from tests.servers.etcd import Etcd
from tests.servers.process import free_port
from tests.servers.proxy import Proxy
from vipagent.core.words import Claim, StoreState
from vipagent.store.backend import StoreError
from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.death import holder
from vipagent.testing.faults import LATE, RECOVERY
from vipagent.testing.peers import MAINTENANCE, MEMBERS, STATES, Peer, Peers, eventually, member
from vipagent.testing.store import NOTICE, PATIENCE
from vipagent_etcd import following, names, session, watches


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(server: Etcd) -> EtcdUnderTest:
    return EtcdUnderTest(server)


@pytest.fixture
def peers(store: EtcdUnderTest) -> Iterator[Peers]:
    peers = Peers(store)
    yield peers
    peers.close()


@pytest.fixture
def proxy(server: Etcd) -> Iterator[Proxy]:
    proxy = Proxy(server.address)
    yield proxy
    proxy.close()


def registered(peers: Peers, node: str = "node1", last: int = 1) -> Peer:
    """Return an agent that has one member, and watches all members."""
    agent = peers.join(node)
    agent.watch(MEMBERS)
    agent.register(member(last))
    agent.wait_claim(member(last), Claim.OURS, PATIENCE)
    return agent


class TestLeases:
    """Pitfalls 15 and 20, and a lease that outlives or does not outlive its agent."""

    def test_pitfall_15_a_lost_lease_is_made_anew_and_the_entries_put_again(
        self, peers: Peers, store: EtcdUnderTest
    ) -> None:
        agent = registered(peers)
        agent.backend.register(Key(STATES, "node1"), b"state")
        eventually(lambda: store.get(Key(STATES, "node1")), PATIENCE, "the state is there")
        lost = store.get(member(1))["lease"]
        mark = agent.seen.mark()
        store.server.ask("/v3/lease/revoke", {"ID": lost})
        agent.seen.wait_state(StoreState.CONNECTED, PATIENCE, mark)
        assert StoreState.LOST in agent.seen.states(mark)
        agent.wait_claim(member(1), Claim.OURS, NOTICE)
        eventually(lambda: store.get(Key(STATES, "node1")), NOTICE, "the state is there again")
        leases = {store.get(key)["lease"] for key in (member(1), Key(STATES, "node1"))}
        assert len(leases) == 1
        assert leases.isdisjoint({lost, "0"}), "an entry without a lease would be permanent"

    def test_pitfall_15_a_put_on_a_lost_lease_gets_another(self, peers: Peers, store: EtcdUnderTest) -> None:
        agent = registered(peers)
        store.server.ask("/v3/lease/revoke", {"ID": store.get(member(1))["lease"]})
        agent.register(member(2))  # sooner than the next keep-alive
        agent.wait_claim(member(2), Claim.OURS, NOTICE)
        agent.wait_claim(member(1), Claim.OURS, NOTICE)
        assert int(store.get(member(2)).get("lease", 0)) > 0

    def test_pitfall_20_the_servers_floor_is_what_counts(
        self, peers: Peers, server: Etcd, store: EtcdUnderTest
    ) -> None:
        store.life = 1.0
        agent = registered(peers)
        assert "lease of 2 s" in detail(agent)
        mark, before = agent.seen.mark(), server.metric(RENEWED)
        with agent.seen.never_without(MEMBERS, member(1).name):
            eventually(lambda: server.metric(RENEWED) >= before + 5, PATIENCE, "kept alive for 3 s")
        assert agent.seen.states(mark) == []

    def test_an_agent_that_was_stopped_for_longer_than_its_life_registers_again(
        self, peers: Peers, store: EtcdUnderTest
    ) -> None:
        watcher = peers.join("node2")
        watcher.watch(MEMBERS)
        with holder(store, "node1", "stopped", [member(1).name]) as child:
            watcher.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
            os.kill(child.pid, signal.SIGSTOP)
            watcher.seen.wait_names(MEMBERS, [], store.vanishing)
            os.kill(child.pid, signal.SIGCONT)
            watcher.seen.wait_names(MEMBERS, [member(1).name], RECOVERY)


class TestWatches:
    """Pitfall 17, and what is watched, found, and cut."""

    def test_pitfall_17_a_watch_resumes_after_a_compaction(self, peers: Peers, store: EtcdUnderTest) -> None:
        """Its next revision is gone: it is listed anew, and nothing was missed."""
        agent = registered(peers)
        for turn in range(20):
            store.put(b"/elsewhere", str(turn).encode())
        now = store.server.ask("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        store.server.ask("/v3/kv/compaction", {"revision": now, "physical": True})
        mark = agent.seen.mark()
        agent.watch(MAINTENANCE)  # opens the watch anew, from where it was
        agent.seen.wait_names(MAINTENANCE, [], PATIENCE)
        store.plant(member(2), b"")
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], NOTICE)
        assert agent.seen.states(mark) == [], "the session is as well as before"

    def test_more_directories_than_one_transaction_takes(self, peers: Peers) -> None:
        agent, other = peers.make("node1"), peers.join("node2")
        services = [Directory(Kind.MEMBERS, f"service{number}") for number in range(250)]
        for service in services:
            agent.watch(service)
        agent.backend.open()
        for service in services:
            agent.seen.wait_names(service, [], PATIENCE)
        other.register(Key(services[-1], "10.0.0.1"))
        agent.seen.wait_names(services[-1], ["10.0.0.1"], NOTICE)
        assert agent.seen.states() == [StoreState.CONNECTED], "at the first attempt"

    def test_of_a_huge_directory_the_first_entries_are_handed_over(
        self, peers: Peers, store: EtcdUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What follows when one of them goes is found by listing."""
        monkeypatch.setattr(watches, "MAX_ENTRIES", 5)
        for last in range(8):
            store.plant(member(last), b"")
        agent = peers.join("node9")
        agent.watch(MEMBERS)
        names = [member(last).name for last in range(8)]
        agent.seen.wait_names(MEMBERS, names[:5], PATIENCE)
        store.uproot(member(0))
        agent.seen.wait_names(MEMBERS, names[1:6], following.BREATH + NOTICE)

    def test_a_registration_nobody_watches_is_kept_all_the_same(
        self, peers: Peers, store: EtcdUnderTest
    ) -> None:
        agent = peers.join("node1")
        agent.register(member(1))
        eventually(lambda: store.get(member(1)), NOTICE, "it is registered")
        for _ in range(3):
            store.uproot(member(1))
            eventually(lambda: store.get(member(1)), NOTICE, "it is there again")

    def test_what_a_frozen_server_did_too_late_is_undone(self, peers: Peers, store: EtcdUnderTest) -> None:
        """A request of ours that was given up, and carried out after the deregistration."""
        agent = registered(peers)
        lease = store.get(member(1))["lease"]
        agent.register(member(2))
        agent.backend.deregister(member(1))
        agent.seen.wait_names(MEMBERS, [member(2).name], NOTICE)
        mark = agent.seen.mark()
        store.put(member(1).path(store.prefix).encode(), agent.value, lease=lease)
        agent.seen.wait_names(MEMBERS, [member(2).name], NOTICE, mark)
        assert store.get(member(1)) == {}


class TestTheWay:
    """Pitfalls 2, 3 and 4, on a way to the server that swallows, breaks, or leads nowhere."""

    @pytest.fixture
    def store(self, server: Etcd, proxy: Proxy) -> EtcdUnderTest:
        return EtcdUnderTest(server, hosts=(proxy.address,))

    def test_pitfall_2_a_way_that_swallows_everything(
        self, peers: Peers, store: EtcdUnderTest, proxy: Proxy
    ) -> None:
        """LOST by our own clock, though every connection stands; all is well again when the way is."""
        agent = registered(peers)
        mark, began = agent.seen.mark(), time.monotonic()
        proxy.swallow()
        agent.seen.wait_state(StoreState.LOST, LIFE + LATE, mark)
        assert time.monotonic() - began > LIFE * 2 / 3 - 0.1, "not before its time"
        assert agent.seen.states(mark)[0] == StoreState.UNSURE
        assert agent.seen.snapshots(MEMBERS, mark) == []
        assert f"{proxy.address}: no answer within" in detail(agent)
        store.plant(member(2), b"")
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], RECOVERY, mark)

    def test_a_way_that_breaks(self, peers: Peers, proxy: Proxy) -> None:
        """Back in a moment, on the same lease: nobody sees the entry go."""
        agent = registered(peers)
        with agent.seen.never_without(MEMBERS, member(1).name):
            for _ in range(5):
                mark = agent.seen.mark()
                proxy.cut()
                agent.seen.wait_state(StoreState.UNSURE, NOTICE, mark)
                agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)
                agent.seen.wait_names(MEMBERS, [member(1).name], NOTICE, mark)
                assert StoreState.LOST not in agent.seen.states(mark)

    def test_pitfall_3_a_failed_keep_alive_ends_the_watch(
        self, peers: Peers, server: Etcd, proxy: Proxy
    ) -> None:
        """The watch's connection is as good as ever; what asks for the lease is swallowed."""
        agent = registered(peers)
        mark = agent.seen.mark()
        proxy.swallow(b"/v3/lease")
        agent.seen.wait_for(lambda: agent.seen.states(mark) == [StoreState.UNSURE], LIFE, "UNSURE")
        eventually(lambda: proxy.count(b"/v3/watch") == 0, NOTICE, "the watch's connection has ended")
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)

    def test_pitfall_1_a_watch_that_is_swallowed_alone_is_found_out(
        self, peers: Peers, store: EtcdUnderTest, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The lease is kept, the session seems well: a listing tells the truth after a while."""
        monkeypatch.setattr(following, "RENEWAL", 2.0)
        agent = registered(peers)
        mark = agent.seen.mark()
        proxy.swallow(b"/v3/watch")
        store.plant(member(2), b"")
        eventually(lambda: proxy.count(b"/v3/watch") == 2, PATIENCE, "the watch is opened anew")
        proxy.resume()
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], RECOVERY, mark)

    def test_pitfall_4_a_watch_that_is_not_confirmed_is_no_session(self, peers: Peers, proxy: Proxy) -> None:
        """As with a proxy that keeps answers until they are complete, which a watch's never is."""
        proxy.swallow(b"/v3/watch")
        agent = peers.make("node1")
        agent.watch(MEMBERS)
        agent.backend.open()
        agent.seen.wait_state(StoreState.UNSURE, PATIENCE)
        assert StoreState.CONNECTED not in agent.seen.states()
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, PATIENCE)

    def test_backing_off_is_capped_near_a_second(self, peers: Peers, server: Etcd, proxy: Proxy) -> None:
        """Long after the fault began, the next attempt is still near."""
        agent = registered(peers)
        proxy.refuse()
        before = proxy.refused
        eventually(lambda: proxy.refused >= before + 8, PATIENCE, "eight attempts")
        began, before = time.monotonic(), proxy.refused
        eventually(lambda: proxy.refused >= before + 2, 2.5, "two attempts more")
        assert time.monotonic() - began > 0.4, "and not much more often, either"
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, RECOVERY)


class TestServer:
    """A server that comes back as another."""

    def test_pitfall_1_a_server_that_has_lost_its_data(self, tmp_path: Path) -> None:
        """Its revisions begin anew, and there is neither lease nor entry: all is made again."""
        server = Etcd(tmp_path / "etcd")
        server.start()
        peers = Peers(EtcdUnderTest(server))
        try:
            agent = registered(peers)
            for last in range(2, 9):
                agent.register(member(last))
            names = [member(last).name for last in range(1, 9)]
            agent.seen.wait_names(MEMBERS, names, PATIENCE)
            mark = agent.seen.mark()
            server.kill()
            shutil.rmtree(tmp_path / "etcd" / "data")
            server.start()
            agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)
            agent.seen.wait_names(MEMBERS, names, RECOVERY, mark)
        finally:
            peers.close()
            server.stop()

    def test_200_reconnections_leak_nothing(
        self, proxy: Proxy, peers: Peers, store: EtcdUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "PAUSE", (0.01, 0.02))
        store.hosts = (proxy.address,)
        agent = registered(peers)
        at_first: tuple[int, int] = (0, 0)
        for turn in range(200):
            mark = agent.seen.mark()
            proxy.cut()
            agent.seen.wait_state(StoreState.UNSURE, NOTICE, mark)
            agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)
            agent.seen.wait_names(MEMBERS, [member(1).name], RECOVERY, mark)
            if turn == 20:  # whatever is made once is made by now
                at_first = threading.active_count(), resident()
        assert threading.active_count() == at_first[0]
        assert resident() - at_first[1] < 2 * 1024 * 1024, "bytes of memory more"
        eventually(lambda: proxy.count() <= 2, NOTICE, "two connections, as ever")


def resident() -> int:
    """Return the bytes of memory that this process uses."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


class TestHosts:
    """Hosts that are wrong, named in the message with the cause, and right later: without a restart."""

    def test_a_name_that_does_not_resolve(
        self, peers: Peers, store: EtcdUnderTest, server: Etcd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        addresses: dict[str, str] = {}

        def lookup(host: str, port: int, flags: int = 0) -> names.Found:
            return real(addresses.get(host, host), port, flags)

        real = names._lookup
        monkeypatch.setattr(names, "_lookup", lookup)
        store.hosts = (f"etcd.invalid:{server.port}",)
        agent = opened(peers)
        agent.seen.wait_state(StoreState.LOST, PATIENCE)
        assert f"etcd.invalid:{server.port}: the name does not resolve" in detail(agent)
        with pytest.raises(StoreError, match=r"etcd\.invalid.*does not resolve"):
            agent.backend.read(MEMBERS, 1.0)
        addresses["etcd.invalid"] = "127.0.0.1"
        agent.wait_claim(member(1), Claim.OURS, RECOVERY)

    def test_a_name_server_that_is_silent_holds_up_nothing(
        self, peers: Peers, store: EtcdUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The session is LOST in time, and closed in time (E3)."""
        answer = threading.Event()

        def lookup(host: str, port: int, flags: int = 0) -> names.Found:
            if not flags:
                answer.wait(30.0)
            raise socket.gaierror(socket.EAI_AGAIN, "no name server")

        monkeypatch.setattr(names, "_lookup", lookup)
        store.hosts = ("etcd.invalid:2379",)
        agent = opened(peers)
        agent.seen.wait_state(StoreState.LOST, PATIENCE)
        assert "etcd.invalid:2379: no answer within" in detail(agent)
        began = time.monotonic()
        agent.backend.close(1.5)
        assert time.monotonic() - began < 1.7
        answer.set()

    def test_a_port_where_nobody_listens(self, peers: Peers, store: EtcdUnderTest) -> None:
        port = free_port()
        store.hosts = (f"127.0.0.1:{port}",)
        agent = opened(peers)
        agent.seen.wait_state(StoreState.LOST, PATIENCE)
        assert detail(agent) == f"127.0.0.1:{port}: connection refused"

    def test_a_port_of_something_else(self, peers: Peers, store: EtcdUnderTest) -> None:
        """A web server, say."""
        with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            store.hosts = (f"127.0.0.1:{web.server_address[1]}",)
            agent = opened(peers)
            agent.seen.wait_state(StoreState.LOST, PATIENCE)
            assert "no JSON: is this a client port of etcd 3.4 or later?" in detail(agent)
            web.shutdown()

    def test_one_good_host_among_bad_ones_is_found(
        self, peers: Peers, store: EtcdUnderTest, server: Etcd
    ) -> None:
        store.hosts = (f"127.0.0.1:{free_port()}", "etcd.invalid:2379", server.address)
        agent = opened(peers)
        agent.wait_claim(member(1), Claim.OURS, PATIENCE)
        assert server.address in detail(agent)

    def test_pitfall_8_proxies_of_the_environment_are_not_for_us(
        self, peers: Peers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        registered(peers)


def opened(peers: Peers) -> Peer:
    """Return an agent that has begun to connect, and wants a member."""
    agent = peers.make("node1")
    agent.watch(MEMBERS)
    agent.register(member(1))
    agent.backend.open()
    return agent
