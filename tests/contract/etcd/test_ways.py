"""Ways to etcd that swallow, break, or lead nowhere; a known pitfall has its number in the name."""

import socket
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.contract.etcd.under_test import LIFE, EtcdUnderTest
from tests.contract.sessions import begun, detail, registered, wait_detail
from tests.resolving import resolving
from tests.servers.etcd import Etcd
from tests.servers.flood import flood
from tests.servers.process import free_port
from tests.servers.proxy import Proxy
from vipagent.store.backend import StoreError
from vipagent.testing import growth
from vipagent.testing.faults import CLOSED, LATE, RECOVERY
from vipagent.testing.peers import MEMBERS, Peers, eventually, member
from vipagent.testing.slowness import allowed
from vipagent.testing.store import NOTICE, PATIENCE
from vipagent.types import Claim, StoreState
from vipagent_etcd import follower

FLOODED = 16 * 1024
"""KiB of memory that a server which never stops talking may take."""


def test_a_server_that_says_100_continue_for_ever(server: Etcd) -> None:
    """It is told why, it takes no memory without end, and another server is asked."""
    with flood() as flooding:
        alone = Peers(EtcdUnderTest(server, hosts=(flooding.address,)))
        both = Peers(EtcdUnderTest(server, hosts=(flooding.address, server.address)))
        try:
            before = growth.resident()
            wait_detail(begun(alone.make("node1")), f"{flooding.address}: no proper HTTP: no final status")
            registered(both, "node2")
            assert growth.resident() - before < FLOODED
        finally:
            alone.close()
            both.close()


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
                agent.seen.wait_told(StoreState.UNSURE, NOTICE, mark)
                agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)
                agent.seen.wait_names(MEMBERS, [member(1).name], NOTICE, mark)
                assert StoreState.LOST not in agent.seen.states(mark)

    def test_pitfall_3_a_failed_keep_alive_ends_the_watch(
        self, peers: Peers, server: Etcd, proxy: Proxy
    ) -> None:
        """The watch's connection is as good as ever; all that asks for the lease is swallowed."""
        agent = registered(peers)
        mark = agent.seen.mark()
        # A keep-alive takes any connection that is free, whatever was asked for on it before.
        proxy.swallow(b"/v3/lease", b"/v3/kv", b"/v3/maintenance")
        agent.seen.wait_for(lambda: agent.seen.states(mark) == [StoreState.UNSURE], LIFE, "UNSURE")
        eventually(lambda: proxy.count(b"/v3/watch") == 0, NOTICE, "the watch's connection has ended")
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)

    def test_pitfall_1_a_watch_that_is_swallowed_alone_is_found_out(
        self, peers: Peers, store: EtcdUnderTest, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The lease is kept, the session seems well: a listing tells the truth after a while."""
        monkeypatch.setattr(follower, "RENEWAL", 2.0)
        agent = registered(peers)
        mark = agent.seen.mark()
        proxy.swallow(b"/v3/watch")
        store.plant(member(2), b"")
        eventually(lambda: proxy.count(b"/v3/watch") >= 2, PATIENCE, "the watch is opened anew")
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
        eventually(lambda: proxy.refused >= before + 2, 3.5, "two attempts more")
        assert time.monotonic() - began > 0.4, "and not much more often, either"
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, RECOVERY)

    def test_200_reconnections_leak_nothing(
        self, proxy: Proxy, peers: Peers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vipagent.store.session.backoff.delay", lambda _failures, uniform: 0.01)
        agent = registered(peers)

        def reconnect() -> None:
            for _ in range(20):
                mark = agent.seen.mark()
                proxy.cut()
                agent.seen.wait_told(StoreState.UNSURE, NOTICE, mark)
                agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)
                agent.seen.wait_names(MEMBERS, [member(1).name], RECOVERY, mark)

        reconnect()  # whatever is made once is made by now
        held = growth.read(reconnect, threading.active_count, growth.descriptors, growth.resident, times=9)
        for what, readings, most in zip(
            ("threads", "descriptors", "KiB"), held, (0.5, 0.5, 200), strict=True
        ):
            growth.check(what, readings, most)
        eventually(lambda: proxy.count() <= 3, NOTICE, "requests, keep-alives and the watch: one each")


class TestHosts:
    """Hosts that are wrong, named in the message with the cause, and right later: without a restart."""

    def test_a_name_that_does_not_resolve(
        self, peers: Peers, store: EtcdUnderTest, server: Etcd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        addresses: dict[str, tuple[str, ...]] = {"etcd.invalid": ()}
        monkeypatch.setattr(socket, "getaddrinfo", resolving(addresses))
        store.hosts = (f"etcd.invalid:{server.port}",)
        agent = begun(peers.make("node1"))
        agent.seen.wait_state(StoreState.LOST, PATIENCE)
        wait_detail(agent, f"etcd.invalid:{server.port}: the name does not resolve")
        with pytest.raises(StoreError, match=r"etcd\.invalid.*does not resolve"):
            agent.backend.read(MEMBERS, 1.0)
        addresses["etcd.invalid"] = ("127.0.0.1",)
        agent.wait_claim(member(1), Claim.OURS, RECOVERY)

    def test_a_name_server_that_is_silent_holds_up_nothing(
        self, peers: Peers, store: EtcdUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The session is LOST in time, and closed in time (E3)."""
        answer = threading.Event()
        silent = resolving({"etcd.invalid": ()}, lambda _: answer.wait(30.0))
        monkeypatch.setattr(socket, "getaddrinfo", silent)
        store.hosts = ("etcd.invalid:2379",)
        agent = begun(peers.make("node1"))
        agent.seen.wait_state(StoreState.LOST, PATIENCE)
        assert "etcd.invalid:2379: no answer within" in detail(agent)
        began = time.monotonic()
        agent.backend.close(1.5)
        assert time.monotonic() - began < allowed(CLOSED)
        answer.set()

    def test_a_port_where_nobody_listens(self, peers: Peers, store: EtcdUnderTest) -> None:
        port = free_port()
        store.hosts = (f"127.0.0.1:{port}",)
        agent = begun(peers.make("node1"))
        agent.seen.wait_state(StoreState.LOST, PATIENCE)
        wait_detail(agent, f"127.0.0.1:{port}: connection refused$")

    def test_a_port_of_something_else(self, peers: Peers, store: EtcdUnderTest) -> None:
        """A web server, say."""
        with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            store.hosts = (f"127.0.0.1:{web.server_address[1]}",)
            agent = begun(peers.make("node1"))
            agent.seen.wait_state(StoreState.LOST, PATIENCE)
            wait_detail(agent, ".*no JSON: is this a client port of etcd 3.4 or later")
            web.shutdown()

    def test_one_good_host_among_bad_ones_is_found(
        self, peers: Peers, store: EtcdUnderTest, server: Etcd
    ) -> None:
        store.hosts = (f"127.0.0.1:{free_port()}", "etcd.invalid:2379", server.address)
        agent = begun(peers.make("node1"))
        agent.wait_claim(member(1), Claim.OURS, PATIENCE)
        assert server.address in detail(agent)

    def test_pitfall_8_proxies_of_the_environment_are_not_for_us(
        self, peers: Peers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        registered(peers)
