"""Ways to Consul that hang, break or lie, where Consul itself is well; with the pitfalls' numbers."""

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
from tests.resolving import resolving
from tests.servers.consul import HOST
from tests.servers.flood import flood
from tests.servers.proxy import Proxy
from vipagent.testing import growth
from vipagent.testing.faults import CLOSED, LATE, RECOVERY
from vipagent.testing.peers import MEMBERS, Peer, Peers, eventually, member
from vipagent.testing.slowness import allowed
from vipagent.testing.store import NOTICE, PATIENCE
from vipagent.types import Claim, StoreState
from vipagent_consul import queries


@pytest.fixture
def behind(store: ConsulUnderTest, proxy: Proxy) -> Iterator[Peers]:
    """Agents whose way to Consul is the proxy."""
    behind = Peers(ConsulUnderTest(store.server, {}, (proxy.address,), store.prefix))
    yield behind
    behind.close()


def test_02_a_way_that_swallows_everything(behind: Peers, peers: Peers, proxy: Proxy) -> None:
    """LOST by our own clock; all is right soon after the way is back, without a restart."""
    agent = registered(behind)
    mark = agent.seen.mark()
    proxy.swallow()
    agent.seen.wait_state(StoreState.LOST, LIFE + LATE, mark)
    assert "no answer within" in detail(agent)
    peers.join("node2").register(member(2))
    assert agent.seen.snapshots(MEMBERS, mark) == []
    proxy.resume()
    agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], RECOVERY, mark)
    agent.wait_claim(member(1), Claim.OURS, NOTICE)


def test_a_server_that_says_100_continue_for_ever(store: ConsulUnderTest) -> None:
    """Each call to it ends, another server is asked, and it does not hold up the end."""
    with flood() as flooding:
        alone = Peers(ConsulUnderTest(store.server, {}, (flooding.address,), store.prefix))
        both = Peers(
            ConsulUnderTest(store.server, {}, (flooding.address, store.server.address), store.prefix)
        )
        try:
            agent = begun(alone.make("node1"))
            wait_detail(agent, f"{flooding.address}: no proper HTTP answer: ")
            began = time.monotonic()
            agent.backend.close(1.0)
            assert time.monotonic() - began < CLOSED
            registered(both, "node2", last=2)
        finally:
            alone.close()
            both.close()


def test_02_a_name_that_hangs(proxy: Proxy, store: ConsulUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer holds up neither the clock nor the end."""
    answering = threading.Event()
    answering.set()
    known = resolving({"consul.invalid": (HOST,)}, lambda _: answering.wait(PATIENCE))
    monkeypatch.setattr(socket, "getaddrinfo", known)
    host = f"consul.invalid:{proxy.address.rpartition(':')[2]}"
    peers = Peers(ConsulUnderTest(store.server, {}, (host,), store.prefix))
    agent = registered(peers)
    answering.clear()
    try:
        proxy.cut()
        agent.seen.wait_state(StoreState.LOST, LIFE + LATE)
        began = time.monotonic()
        agent.backend.close(1.0)
        assert time.monotonic() - began < allowed(CLOSED)
    finally:
        answering.set()


def test_03_only_the_sign_of_life_is_swallowed(behind: Peers, proxy: Proxy) -> None:
    """It gets a new connection in time, and so does each watch; the session lives on."""
    agent = registered(behind)
    mark = agent.seen.mark()
    proxy.swallow(b"/v1/agent/service/register")  # what the session's connection began with
    agent.seen.wait_state(StoreState.CONNECTED, LIFE, mark)
    assert agent.seen.states(mark) == [StoreState.UNSURE, StoreState.CONNECTED]
    agent.seen.wait_names(MEMBERS, [member(1).name], NOTICE, mark)


def test_03_only_a_watch_is_swallowed(
    behind: Peers, peers: Peers, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is well and hears nothing of it: the query's own time-out ends that."""
    monkeypatch.setattr(queries, "WAIT", 2)
    monkeypatch.setattr(queries, "CALL", 0.5)
    agent = registered(behind)
    proxy.swallow(b"/v1/kv/")
    peers.join("node2").register(member(2))
    agent.seen.wait_state(StoreState.UNSURE, PATIENCE)
    proxy.resume()
    agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], RECOVERY)
    assert agent.seen.state == StoreState.CONNECTED


def test_03_another_host_in_time(store: ConsulUnderTest, proxy: Proxy) -> None:
    """The first host hangs: the second is asked before the session is lost, and the entry changes over."""
    peers = Peers(ConsulUnderTest(store.server, {}, (proxy.address, store.server.address), store.prefix))
    agent, other = registered(peers), Peers(store).join("node2")
    other.watch(MEMBERS)
    other.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
    mark = agent.seen.mark()
    with other.seen.never_without(MEMBERS, member(1).name):
        proxy.swallow()
        agent.seen.wait_state(StoreState.CONNECTED, LIFE, mark)
        agent.wait_claim(member(1), Claim.OURS, NOTICE)
        eventually(
            lambda: len(store.sessions("node1")) == 1, NOTICE, "the session at the first host is ended"
        )
    assert StoreState.LOST not in agent.seen.states(mark)
    assert store.server.address in detail(agent)
    other.backend.close(2.0)
    peers.close()


@pytest.mark.timeout(120)
def test_200_reconnections_leak_nothing(behind: Peers, proxy: Proxy) -> None:
    """Neither threads nor descriptors nor memory."""
    agent = registered(behind)
    _reconnect(agent, proxy, 20)  # whatever is made once is made by now
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
    """Cut all connections; a change that the agent makes then shows that they are there again."""
    for turn in range(times):
        value, mark = f"turn {turn}".encode(), agent.seen.mark()
        proxy.cut()
        agent.backend.register(member(1), value)
        agent.seen.wait_for(partial(_has_value, agent, value), PATIENCE, "the change is seen")
        agent.seen.wait_for(partial(_is_well, agent, mark), PATIENCE, "the session is connected")
    agent.seen._events.clear()


def _is_well(agent: Peer, since: int) -> bool:
    """Whether the session is connected; one that was cut between two calls need not notice."""
    return agent.seen.states(since)[-1:] in ([], [StoreState.CONNECTED])


def _has_value(agent: Peer, value: bytes) -> bool:
    entry = agent.entry(member(1))
    return entry is not None and entry.value == value


def _kept() -> float:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
