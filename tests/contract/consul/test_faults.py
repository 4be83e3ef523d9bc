"""Faults of Consul's sessions."""

import threading
import time

import pytest
from consul.base import Response

from tests.contract.consul.under_test import LIFE, ConsulUnderTest
from tests.contract.sessions import detail, registered
from tests.servers.consul import Consul
from tests.servers.proxy import Proxy
from vipagent.net.http import HttpClient
from vipagent.net.protocol import Request
from vipagent.store.layout import Key
from vipagent.testing.death import holder
from vipagent.testing.faults import LOSS_TOLERANCE, MAX_RECOVERY
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peers, eventually, member
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState
from vipagent_consul import http, queries


def end_sessions(store: ConsulUnderTest, node: str) -> None:
    """End a node's sessions with a foreign client."""
    for each in store.sessions(node):
        store.server.call(f"session/destroy/{each['ID']}")


@pytest.mark.timeout(120)
def test_a_time_to_live_counts_double(server: Consul) -> None:
    """Without a check, Consul keeps the entry of a killed agent for 10 to 20 s."""
    store = ConsulUnderTest(server, {"session": "ttl"})
    peers = Peers(store)
    watcher = peers.join("node2")
    watcher.watch(MEMBERS)
    with holder(store, "node1", "killed", [member(1).name]) as child:
        watcher.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        child.kill()
        killed = time.monotonic()
        watcher.seen.wait_names(MEMBERS, [], 25.0)
        assert time.monotonic() - killed > 10.0
    assert "session TTL 10 s (Consul may wait up to twice that)" in detail(watcher)
    peers.close()


def test_our_own_clock_does_not_count_double(server: Consul) -> None:
    """LOST is reported after the TTL, when Consul may have ended the session."""
    proxy = Proxy(server.address)
    store = ConsulUnderTest(server, {"session": "ttl"}, (proxy.address,))
    peers = Peers(store)
    agent = peers.join("node1")
    proxy.stall()
    began = time.monotonic()
    agent.seen.wait_state(StoreState.LOST, 10.0 + LOSS_TOLERANCE)
    assert time.monotonic() - began > 10.0 - 10.0 / 3 - 0.5
    proxy.resume()
    peers.close()
    proxy.close()


def test_a_passing_check_is_no_session(peers: Peers, store: ConsulUnderTest) -> None:
    """A session that was ended while its check passes is detected and replaced."""
    agent, other = registered(peers), peers.join("node2")
    other.watch(MEMBERS)
    other.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    mark, others = agent.seen.mark(), other.seen.mark()
    (check,) = (name for name in _checks(store) if ":node1:" in name)
    end_sessions(store, "node1")
    store.server.call(f"agent/check/pass/{check}")
    other.seen.wait_for(
        lambda: {} in other.seen.snapshots(MEMBERS, others), MAX_PROPAGATION, "the entry is gone"
    )
    other.seen.wait_names(MEMBERS, [member(1).name], LIFE / 3 + MAX_PROPAGATION, others)
    agent.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
    assert agent.seen.states(mark) == [StoreState.LOST, StoreState.CONNECTED]


def _checks(store: ConsulUnderTest) -> dict[str, object]:
    found = store.server.call("agent/checks", "GET")
    assert isinstance(found, dict)
    return found


def test_no_lock_delay(peers: Peers, store: ConsulUnderTest) -> None:
    """A key is deleted with its session, without lock delay."""
    first, second = registered(peers), peers.join("node2")
    (session,) = store.sessions("node1")
    assert (session["LockDelay"], session["Behavior"]) == (1_000_000, "delete")
    second.watch(MEMBERS)
    second.register(member(1))
    second.wait_claim(member(1), Claim.OTHER, MAX_PROPAGATION)
    first.backend.close(2.0)
    second.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)


def test_a_foreign_lock_delay_is_waited_for(peers: Peers, store: ConsulUnderTest) -> None:
    """Its end triggers no watch: the key is retried until it is free."""
    theirs = store.server.call(
        "session/create", body={"Behavior": "delete", "LockDelay": "2s", "NodeChecks": []}
    )
    assert isinstance(theirs, dict)
    path = store.url(member(1))
    assert store.server.call(f"{path}?acquire={theirs['ID']}", body=b"theirs") is True
    agent = peers.join("node1")
    agent.watch(MEMBERS)
    agent.register(member(1))
    agent.wait_claim(member(1), Claim.OTHER, WAIT_TIMEOUT)
    mark = agent.seen.mark()
    store.server.call(f"session/destroy/{theirs['ID']}")
    agent.register(member(2))
    agent.seen.wait_names(MEMBERS, [member(2).name], 2.0)
    agent.wait_claim(member(1), Claim.OURS, 2.0 + MAX_PROPAGATION + 1.0)
    assert agent.seen.states(mark) == []


def test_an_invalid_session_while_registering(server: Consul) -> None:
    """An error about a missing session is handled immediately, not at the next keep-alive."""
    store = ConsulUnderTest(server, life=30.0)
    peers = Peers(store)
    try:
        agent = registered(peers)
        for turn in range(2, 6):
            end_sessions(store, "node1")
            agent.register(member(turn))
            agent.seen.wait_names(MEMBERS, [member(last).name for last in range(1, turn + 1)], 5.0)
        agent.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
        assert len(store.sessions("node1")) == 1
    finally:
        peers.close()


def test_the_own_stale_entry_is_replaced(peers: Peers, store: ConsulUnderTest) -> None:
    """Its session still exists, but is a previous one: the entry is replaced without a gap."""
    agent, other = registered(peers), peers.join("node2")
    (stale,) = store.sessions("node1")
    path = member(1).path(store.prefix).strip("/")
    other.watch(MEMBERS)
    other.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    with other.seen.always_contains(MEMBERS, member(1).name):
        again = peers.join("node1")
        again.register(member(1))
        eventually(lambda: _holder(store, path) != stale["ID"], MAX_PROPAGATION, "the new run has the key")
    assert agent.wait_claim(member(1), Claim.SAME_NODE, MAX_PROPAGATION).value == again.value


def _holder(store: ConsulUnderTest, path: str) -> object:
    found = store.server.call(f"kv/{path}", "GET")
    assert isinstance(found, list)
    return found[0].get("Session")


def test_an_idle_query_is_no_fault(
    peers: Peers, store: ConsulUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Consul adds up to a sixteenth to the wait, which the timeout includes."""
    monkeypatch.setattr(queries, "QUERY_WAIT", 1)
    monkeypatch.setattr(queries, "REPLY_MARGIN", 1.0)
    asked = _count_queries(monkeypatch)
    agent = registered(peers)
    mark, before = agent.seen.mark(), len(asked)
    eventually(lambda: len(asked) >= before + 5, WAIT_TIMEOUT, "five queries have timed out")
    assert agent.seen.events(mark) == []


def test_an_index_that_goes_back(peers: Peers, store: ConsulUnderTest) -> None:
    """After a restore of an older snapshot the view is correct."""
    agent = registered(peers)
    saved = store.server.ask("snapshot")
    assert saved
    for last in range(2, 30):
        agent.register(member(last))
    agent.seen.wait_names(MEMBERS, [member(last).name for last in range(1, 30)], WAIT_TIMEOUT)
    other = peers.join("node2")
    assert store.server.ask("snapshot", "PUT", saved) is not None
    agent.wait_claim(member(29), Claim.OURS, MAX_RECOVERY)  # what the snapshot lacks is made again
    store.create_foreign(member(40), b"new")
    agent.seen.wait_for(
        lambda: agent.entry(member(40)), MAX_PROPAGATION, "a change after the restore is seen"
    )
    other.watch(MEMBERS)
    names = [member(last).name for last in (*range(1, 30), 40)]
    other.seen.wait_names(MEMBERS, names, WAIT_TIMEOUT)
    agent.seen.wait_names(MEMBERS, names, MAX_PROPAGATION)


def test_an_empty_directory_is_woken_by_any_write(
    peers: Peers, store: ConsulUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy Consul does not make agents busy, and changes are seen in time."""
    agent = peers.join("node1")
    agent.watch(MAINTENANCE)
    agent.seen.wait_names(MAINTENANCE, [], WAIT_TIMEOUT)
    asked = _count_queries(monkeypatch)
    ending = threading.Event()

    def write() -> None:
        while not ending.is_set():
            store.server.call("kv/elsewhere", body=b"x")

    writer = threading.Thread(target=write)
    began = time.monotonic()
    writer.start()
    try:
        eventually(lambda: time.monotonic() - began > 3.0, WAIT_TIMEOUT, "3 s of writing")
        assert len(asked) < 100, "4 a second, each looks twice at what is empty; there are more writes"
        store.create_foreign(Key(MAINTENANCE, "node9"), b"")
        agent.seen.wait_names(MAINTENANCE, ["node9"], MAX_PROPAGATION)
    finally:
        ending.set()
        writer.join()


def _count_queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the targets of all key queries."""
    asked: list[str] = []
    fetch = http.ConsulTransport._fetch

    async def counting(
        channel: http.ConsulTransport, request: Request, within: float, idle: list[HttpClient]
    ) -> Response:
        if request.target.startswith("/v1/kv/"):
            asked.append(request.target)
        return await fetch(channel, request, within, idle)

    monkeypatch.setattr(http.ConsulTransport, "_fetch", counting)
    return asked


def test_closing_ends_the_session(peers: Peers, store: ConsulUnderTest) -> None:
    """No session, no service and no entry remain in Consul."""
    registered(peers).backend.close(2.0)
    assert store.sessions("node1") == []
    assert not any(":node1:" in check for check in _checks(store))
