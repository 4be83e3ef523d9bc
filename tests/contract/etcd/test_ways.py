"""Ways to etcd that stall, break, or lead nowhere; a known pitfall has its number in the name."""

import socket
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.contract.etcd.under_test import LIFE, EtcdUnderTest
from tests.contract.sessions import begun, detail, registered, wait_detail
from tests.fake_dns import fake_getaddrinfo
from tests.servers.etcd import Etcd
from tests.servers.flood import flood
from tests.servers.process import free_port
from tests.servers.proxy import Proxy
from vipagent.store.backend import StoreError
from vipagent.testing import growth
from vipagent.testing.faults import CLOSE_LIMIT, LOSS_TOLERANCE, MAX_RECOVERY
from vipagent.testing.peers import MEMBERS, Peers, eventually, member
from vipagent.testing.slowness import allowed
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState
from vipagent_etcd import follower

FLOODED = 16 * 1024
"""Maximum memory growth in KiB with a server that sends an endless response."""


def test_a_server_that_says_100_continue_forever(server: Etcd) -> None:
    """The cause is reported, memory is bounded, and the next server is used."""
    with flood() as flooding:
        alone = Peers(EtcdUnderTest(server, hosts=(flooding.address,)))
        both = Peers(EtcdUnderTest(server, hosts=(flooding.address, server.address)))
        try:
            before = growth.resident()
            wait_detail(
                begun(alone.make("node1")), f"{flooding.address}: invalid HTTP response: no final status"
            )
            registered(both, "node2")
            assert growth.resident() - before < FLOODED
        finally:
            alone.close()
            both.close()


class TestConnection:
    """Connections that hang, break or are not confirmed."""

    @pytest.fixture
    def store(self, server: Etcd, proxy: Proxy) -> EtcdUnderTest:
        return EtcdUnderTest(server, hosts=(proxy.address,))

    def test_a_connection_that_hangs(self, peers: Peers, store: EtcdUnderTest, proxy: Proxy) -> None:
        """The agent's clock reports LOST while all connections stay open; then the session recovers."""
        agent = registered(peers)
        mark, began = agent.seen.mark(), time.monotonic()
        proxy.stall()
        agent.seen.wait_state(StoreState.LOST, LIFE + LOSS_TOLERANCE, mark)
        assert time.monotonic() - began > LIFE * 2 / 3 - 0.1, "LOST was reported too early"
        assert agent.seen.states(mark)[0] == StoreState.UNSURE
        assert agent.seen.snapshots(MEMBERS, mark) == []
        assert f"{proxy.address}: no response within" in detail(agent)
        store.create_foreign(member(2), b"")
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, MAX_RECOVERY, mark)
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], MAX_RECOVERY, mark)

    def test_a_connection_that_breaks(self, peers: Peers, proxy: Proxy) -> None:
        """The agent reconnects with the same lease, and its entry never disappears."""
        agent = registered(peers)
        with agent.seen.always_contains(MEMBERS, member(1).name):
            for _ in range(5):
                mark = agent.seen.mark()
                proxy.cut()
                agent.seen.wait_reported(StoreState.UNSURE, MAX_PROPAGATION, mark)
                agent.seen.wait_state(StoreState.CONNECTED, MAX_RECOVERY, mark)
                agent.seen.wait_names(MEMBERS, [member(1).name], MAX_PROPAGATION, mark)
                assert StoreState.LOST not in agent.seen.states(mark)

    def test_a_failed_keep_alive_ends_the_watch(self, peers: Peers, server: Etcd, proxy: Proxy) -> None:
        """The watch's connection works; all lease requests hang."""
        agent = registered(peers)
        mark = agent.seen.mark()
        # A keep-alive takes any connection that is free, whatever was asked for on it before.
        proxy.stall(b"/v3/lease", b"/v3/kv", b"/v3/maintenance")
        agent.seen.wait_for(lambda: agent.seen.states(mark) == [StoreState.UNSURE], LIFE, "UNSURE")
        eventually(
            lambda: proxy.count(b"/v3/watch") == 0, MAX_PROPAGATION, "the watch's connection has ended"
        )
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, MAX_RECOVERY, mark)

    def test_a_hanging_watch_is_detected(
        self, peers: Peers, store: EtcdUnderTest, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The lease is kept and the session looks healthy; a periodic listing detects the lost events."""
        monkeypatch.setattr(follower, "WATCH_RENEWAL", 2.0)
        agent = registered(peers)
        mark = agent.seen.mark()
        proxy.stall(b"/v3/watch")
        store.create_foreign(member(2), b"")
        eventually(lambda: proxy.count(b"/v3/watch") >= 2, WAIT_TIMEOUT, "the watch is reopened")
        proxy.resume()
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], MAX_RECOVERY, mark)

    def test_pitfall_4_a_watch_that_is_not_confirmed_is_no_session(self, peers: Peers, proxy: Proxy) -> None:
        """As with a proxy that keeps answers until they are complete, which a watch's never is."""
        proxy.stall(b"/v3/watch")
        agent = peers.make("node1")
        agent.watch(MEMBERS)
        agent.backend.open()
        agent.seen.wait_state(StoreState.UNSURE, WAIT_TIMEOUT)
        assert StoreState.CONNECTED not in agent.seen.states()
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)

    def test_the_retry_delay_is_capped_near_a_second(self, peers: Peers, server: Etcd, proxy: Proxy) -> None:
        """The delay stays short even in a long outage."""
        agent = registered(peers)
        proxy.refuse()
        before = proxy.refused
        eventually(lambda: proxy.refused >= before + 8, WAIT_TIMEOUT, "eight attempts")
        began, before = time.monotonic(), proxy.refused
        eventually(lambda: proxy.refused >= before + 2, 3.5, "two more attempts")
        assert time.monotonic() - began > 0.4, "attempts are too frequent"
        proxy.resume()
        agent.seen.wait_state(StoreState.CONNECTED, MAX_RECOVERY)

    def test_200_reconnections_leak_nothing(
        self, proxy: Proxy, peers: Peers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vipagent.store.session.backoff.delay", lambda _failures, uniform: 0.01)
        agent = registered(peers)

        def reconnect() -> None:
            for _ in range(20):
                mark = agent.seen.mark()
                proxy.cut()
                agent.seen.wait_reported(StoreState.UNSURE, MAX_PROPAGATION, mark)
                agent.seen.wait_state(StoreState.CONNECTED, MAX_RECOVERY, mark)
                agent.seen.wait_names(MEMBERS, [member(1).name], MAX_RECOVERY, mark)

        reconnect()  # create everything that is created only once
        held = growth.read(reconnect, threading.active_count, growth.descriptors, growth.resident, times=9)
        for what, readings, most in zip(
            ("threads", "descriptors", "KiB"), held, (0.5, 0.5, 200), strict=True
        ):
            growth.check(what, readings, most)
        eventually(
            lambda: proxy.count() <= 3, MAX_PROPAGATION, "requests, keep-alives and the watch: one each"
        )


class TestHosts:
    """Unreachable hosts: reported with the cause, and used without a restart once they are reachable."""

    def test_a_name_that_cannot_be_resolved(
        self, peers: Peers, store: EtcdUnderTest, server: Etcd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        addresses: dict[str, tuple[str, ...]] = {"etcd.invalid": ()}
        monkeypatch.setattr(socket, "getaddrinfo", fake_getaddrinfo(addresses))
        store.hosts = (f"etcd.invalid:{server.port}",)
        agent = begun(peers.make("node1"))
        agent.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
        wait_detail(agent, f"etcd.invalid:{server.port}: name resolution failed")
        with pytest.raises(StoreError, match=r"etcd\.invalid.*name resolution failed"):
            agent.backend.read(MEMBERS, 1.0)
        addresses["etcd.invalid"] = ("127.0.0.1",)
        agent.wait_claim(member(1), Claim.OURS, MAX_RECOVERY)

    def test_an_unresponsive_name_server_delays_nothing(
        self, peers: Peers, store: EtcdUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The session is LOST in time, and closed in time (E3)."""
        answer = threading.Event()
        silent = fake_getaddrinfo({"etcd.invalid": ()}, lambda _: answer.wait(30.0))
        monkeypatch.setattr(socket, "getaddrinfo", silent)
        store.hosts = ("etcd.invalid:2379",)
        agent = begun(peers.make("node1"))
        agent.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
        assert "etcd.invalid:2379: no response within" in detail(agent)
        began = time.monotonic()
        agent.backend.close(1.5)
        assert time.monotonic() - began < allowed(CLOSE_LIMIT)
        answer.set()

    def test_a_closed_port(self, peers: Peers, store: EtcdUnderTest) -> None:
        port = free_port()
        store.hosts = (f"127.0.0.1:{port}",)
        agent = begun(peers.make("node1"))
        agent.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
        wait_detail(agent, f"127.0.0.1:{port}: connection refused$")

    def test_a_port_of_another_service(self, peers: Peers, store: EtcdUnderTest) -> None:
        """For example a web server."""
        with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            store.hosts = (f"127.0.0.1:{web.server_address[1]}",)
            agent = begun(peers.make("node1"))
            agent.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
            wait_detail(agent, ".*without JSON: is this a client port of etcd 3.4 or later")
            web.shutdown()

    def test_one_good_host_among_bad_ones_is_found(
        self, peers: Peers, store: EtcdUnderTest, server: Etcd
    ) -> None:
        store.hosts = (f"127.0.0.1:{free_port()}", "etcd.invalid:2379", server.address)
        agent = begun(peers.make("node1"))
        agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        assert server.address in detail(agent)

    def test_proxies_in_the_environment_are_ignored(
        self, peers: Peers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        registered(peers)
