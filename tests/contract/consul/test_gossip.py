"""Consul agents in client mode, and gossip failures.

Each test has a separate server, because failed members of other tests slow the gossip down.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.consul.under_test import LIFE, ConsulUnderTest
from tests.contract.sessions import registered
from tests.servers.consul import HOST, Consul
from vipagent.testing.death import holder
from vipagent.testing.faults import LOSS_TOLERANCE
from vipagent.testing.peers import MEMBERS, Peer, Peers, eventually, member
from vipagent.testing.slowness import allowed
from vipagent.testing.store import WAIT_TIMEOUT
from vipagent.types import Claim, StoreState

GIVEN_UP = 9.5
"""Maximum time in seconds until gossip marks a Consul agent as failed: 5 to 7 between two members, shorter
than the session TTL."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Consul]:
    server = Consul(tmp_path / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def watcher(store: ConsulUnderTest) -> Iterator[Peer]:
    """An agent that uses the server and watches all members."""
    peers = Peers(store)
    watcher = peers.join("node2")
    watcher.watch(MEMBERS)
    yield watcher
    peers.close()


@pytest.fixture
def local(store: ConsulUnderTest, tmp_path: Path) -> Iterator[Consul]:
    """A Consul agent in client mode, as usual on each machine."""
    join = [f"{HOST}:{store.server.gossip}"]
    local = Consul(
        tmp_path / "local",
        {"server": False, "bootstrap_expect": 0, "retry_join": join, "retry_interval": "1s"},
    )
    local.start()
    yield local
    local.stop()


@pytest.fixture
def away(store: ConsulUnderTest, local: Consul) -> Iterator[Peers]:
    """Agents that use the local Consul agent."""
    remote = ConsulUnderTest(store.server, {}, (local.address,), store.prefix)
    away = Peers(remote)
    yield away
    away.close()


def test_a_consul_agent_that_leaves_and_returns(away: Peers, local: Consul) -> None:
    """The session ends with it, the check persists, and the entry is registered again."""
    agent = registered(away)
    mark = agent.seen.mark()
    local.process.signal(signal.SIGTERM)  # an agent in client mode leaves the cluster gracefully
    local.process.wait(allowed(30))
    agent.seen.wait_state(StoreState.LOST, LIFE + LOSS_TOLERANCE, mark)
    local.start()
    agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT, mark)
    agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)


def test_a_machine_that_dies_with_its_consul_agent(
    watcher: Peer, store: ConsulUnderTest, local: Consul
) -> None:
    """No agent fails the check: gossip ends the session before its TTL expires."""
    remote = ConsulUnderTest(store.server, {}, (local.address,), store.prefix)
    with holder(remote, "node1", "killed", [member(1).name]) as child:
        watcher.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        child.kill()
        local.kill()
        watcher.seen.wait_names(MEMBERS, [], GIVEN_UP)


def test_the_gossip_gives_up_a_machine_that_lives(watcher: Peer, away: Peers, local: Consul) -> None:
    """The entry disappears, and returns with the Consul agent; its node reports the loss."""
    agent = registered(away)
    watcher.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    local.pause()
    agent.seen.wait_state(StoreState.LOST, LIFE + LOSS_TOLERANCE)
    watcher.seen.wait_names(MEMBERS, [], GIVEN_UP)
    local.resume()
    watcher.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)


def test_without_the_gossip_a_short_flap_costs_nothing(
    watcher: Peer, store: ConsulUnderTest, local: Consul
) -> None:
    """With `session: ttl` and `serf_health: false`, only the TTL ends the session.

    The TTL is much longer than the failure detection of gossip, even on a busy machine.
    """
    options = {"session": "ttl", "serf_health": False}
    remote = ConsulUnderTest(store.server, options, (local.address,), store.prefix, life=60.0)
    away = Peers(remote)
    agent = registered(away)
    watcher.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    mark = agent.seen.mark()
    with watcher.seen.always_contains(MEMBERS, member(1).name):
        local.pause()
        _wait_until_failed(store, local)
        local.resume()
        agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
    assert StoreState.LOST not in agent.seen.states(mark)
    away.close()


def _wait_until_failed(store: ConsulUnderTest, local: Consul) -> None:
    """Wait until gossip has marked a Consul agent as failed."""

    def failed() -> bool:
        found = store.server.call(f"health/node/{local.name}", "GET")
        assert isinstance(found, list)
        return any(each["CheckID"] == "serfHealth" and each["Status"] == "critical" for each in found)

    eventually(failed, GIVEN_UP, "gossip has marked the Consul agent as failed")
