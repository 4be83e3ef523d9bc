"""Connections to Consul that hang or break."""

import gc
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial

import pytest

from tests.contract.consul.under_test import LIFE, ConsulUnderTest
from tests.contract.sessions import begun, detail, registered, wait_detail
from tests.fake_dns import fake_getaddrinfo
from tests.servers.consul import HOST
from tests.servers.flood import flood
from tests.servers.proxy import Proxy
from vipagent.testing import growth
from vipagent.testing.faults import CLOSE_LIMIT, LOSS_TOLERANCE, MAX_RECOVERY
from vipagent.testing.peers import MEMBERS, Peer, Peers, eventually, member
from vipagent.testing.slowness import allowed
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState
from vipagent_consul import queries


@pytest.fixture
def behind(store: ConsulUnderTest, proxy: Proxy) -> Iterator[Peers]:
    """Agents that use the proxy."""
    behind = Peers(ConsulUnderTest(store.server, {}, (proxy.address,), store.prefix))
    yield behind
    behind.close()


def test_a_way_that_swallows_everything(behind: Peers, peers: Peers, proxy: Proxy) -> None:
    """LOST is reported by our timer; afterwards the agent recovers without a restart."""
    agent = registered(behind)
    mark = agent.seen.mark()
    proxy.stall()
    agent.seen.wait_state(StoreState.LOST, LIFE + LOSS_TOLERANCE, mark)
    assert "no response within" in detail(agent)
    peers.join("node2").register(member(2))
    assert agent.seen.snapshots(MEMBERS, mark) == []
    proxy.resume()
    agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], MAX_RECOVERY, mark)
    agent.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)


def test_a_server_that_says_100_continue_forever(store: ConsulUnderTest) -> None:
    """Each call fails, another server is used, and shutdown is not delayed."""
    with flood() as flooding:
        alone = Peers(ConsulUnderTest(store.server, {}, (flooding.address,), store.prefix))
        both = Peers(
            ConsulUnderTest(store.server, {}, (flooding.address, store.server.address), store.prefix)
        )
        try:
            agent = begun(alone.make("node1"))
            wait_detail(agent, f"{flooding.address}: invalid HTTP response: ")
            began = time.monotonic()
            agent.backend.close(1.0)
            assert time.monotonic() - began < CLOSE_LIMIT
            registered(both, "node2", last=2)
        finally:
            alone.close()
            both.close()


def test_a_name_that_hangs(proxy: Proxy, store: ConsulUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unresponsive name server delays neither LOST nor shutdown."""
    answering = threading.Event()
    answering.set()
    known = fake_getaddrinfo({"consul.invalid": (HOST,)}, lambda _: answering.wait(WAIT_TIMEOUT))
    monkeypatch.setattr(socket, "getaddrinfo", known)
    host = f"consul.invalid:{proxy.address.rpartition(':')[2]}"
    peers = Peers(ConsulUnderTest(store.server, {}, (host,), store.prefix))
    agent = registered(peers)
    answering.clear()
    try:
        proxy.cut()
        agent.seen.wait_state(StoreState.LOST, LIFE + LOSS_TOLERANCE)
        began = time.monotonic()
        agent.backend.close(1.0)
        assert time.monotonic() - began < allowed(CLOSE_LIMIT)
    finally:
        answering.set()


def test_only_the_keep_alive_is_dropped(behind: Peers, proxy: Proxy) -> None:
    """It and all watches reconnect in time; the session is kept."""
    agent = registered(behind)
    mark = agent.seen.mark()
    proxy.stall(b"/v1/agent/service/register")  # the first request of the session's connection
    agent.seen.wait_state(StoreState.CONNECTED, LIFE, mark)
    assert agent.seen.states(mark) == [StoreState.UNSURE, StoreState.CONNECTED]
    agent.seen.wait_names(MEMBERS, [member(1).name], MAX_PROPAGATION, mark)


def test_only_a_watch_is_dropped(
    behind: Peers, peers: Peers, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is not affected; the query's timeout ends the fault."""
    monkeypatch.setattr(queries, "QUERY_WAIT", 2)
    monkeypatch.setattr(queries, "REPLY_MARGIN", 0.5)
    agent = registered(behind)
    proxy.stall(b"/v1/kv/")
    peers.join("node2").register(member(2))
    agent.seen.wait_state(StoreState.UNSURE, WAIT_TIMEOUT)
    proxy.resume()
    agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], MAX_RECOVERY)
    assert agent.seen.state == StoreState.CONNECTED


def test_another_host_in_time(store: ConsulUnderTest, proxy: Proxy) -> None:
    """The first host hangs: the agent fails over before the session is lost, and replaces the entry."""
    peers = Peers(ConsulUnderTest(store.server, {}, (proxy.address, store.server.address), store.prefix))
    agent, other = registered(peers), Peers(store).join("node2")
    other.watch(MEMBERS)
    other.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    mark = agent.seen.mark()
    with other.seen.always_contains(MEMBERS, member(1).name):
        proxy.stall()
        agent.seen.wait_state(StoreState.CONNECTED, LIFE, mark)
        agent.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
        eventually(
            lambda: len(store.sessions("node1")) == 1,
            MAX_PROPAGATION,
            "the session at the first host is ended",
        )
    assert StoreState.LOST not in agent.seen.states(mark)
    assert store.server.address in detail(agent)
    other.backend.close(2.0)
    peers.close()


@pytest.mark.timeout(120)
def test_200_reconnections_leak_nothing(behind: Peers, proxy: Proxy) -> None:
    """Threads, descriptors and memory do not grow."""
    agent = registered(behind)
    _reconnect(agent, proxy, 20)  # create everything that is created only once
    tracemalloc.start()
    try:
        threads, opened, kept = growth.read(
            lambda: _reconnect(agent, proxy, 20), threading.active_count, growth.descriptors, _kept
        )
    finally:
        tracemalloc.stop()
    growth.check("threads", threads, 0.5)
    growth.check("descriptors", opened, 0.5)
    growth.check("bytes of memory", kept, 20 * 1024)


def _reconnect(agent: Peer, proxy: Proxy, times: int) -> None:
    """Close all connections; verify the reconnection with a change."""
    for turn in range(times):
        value, mark = f"turn {turn}".encode(), agent.seen.mark()
        proxy.cut()
        agent.backend.register(member(1), value)
        agent.seen.wait_for(partial(_has_value, agent, value), WAIT_TIMEOUT, "the change is seen")
        agent.seen.wait_for(partial(_is_well, agent, mark), WAIT_TIMEOUT, "the session is connected")
    agent.seen._events.clear()


def _is_well(agent: Peer, since: int) -> bool:
    """Whether the session is connected; a disconnection between two calls may be unnoticed."""
    return agent.seen.states(since)[-1:] in ([], [StoreState.CONNECTED])


def _has_value(agent: Peer, value: bytes) -> bool:
    entry = agent.entry(member(1))
    return entry is not None and entry.value == value


def _kept() -> float:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
