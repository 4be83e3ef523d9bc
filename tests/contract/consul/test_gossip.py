"""Consul agents that are no servers, and what the gossip says of them: the pitfalls 22 and 26.

Each test has a server of its own: dead members that others have left behind slow the gossip down.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.consul.under_test import LIFE, ConsulUnderTest
from tests.contract.sessions import registered
from tests.servers.consul import HOST, Consul
from vipagent.testing.death import holder
from vipagent.testing.faults import LATE
from vipagent.testing.peers import MEMBERS, Peer, Peers, eventually, member
from vipagent.testing.slowness import allowed
from vipagent.testing.store import PATIENCE
from vipagent.types import Claim, StoreState

GIVEN_UP = 9.5
"""Seconds until the gossip has given up a Consul agent: 5 to 7 between two members; a session's time to live
would take longer."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Consul]:
    server = Consul(tmp_path / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def watcher(store: ConsulUnderTest) -> Iterator[Peer]:
    """An agent that asks the server, and watches all members."""
    peers = Peers(store)
    watcher = peers.join("node2")
    watcher.watch(MEMBERS)
    yield watcher
    peers.close()


@pytest.fixture
def local(store: ConsulUnderTest, tmp_path: Path) -> Iterator[Consul]:
    """A Consul agent that is no server: each machine's own, as most people run it."""
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
    """Agents that ask the local Consul agent."""
    remote = ConsulUnderTest(store.server, {}, (local.address,), store.prefix)
    away = Peers(remote)
    yield away
    away.close()


def test_22_a_consul_agent_that_leaves_and_returns(away: Peers, local: Consul) -> None:
    """It takes the session along, and remembers the check: the entry is there again by itself."""
    agent = registered(away)
    mark = agent.seen.mark()
    local.process.signal(signal.SIGTERM)  # one that is no server leaves the cluster in good order
    local.process.wait(allowed(30))
    agent.seen.wait_state(StoreState.LOST, LIFE + LATE, mark)
    local.start()
    agent.seen.wait_state(StoreState.CONNECTED, PATIENCE, mark)
    agent.wait_claim(member(1), Claim.OURS, PATIENCE)


def test_26_a_machine_that_dies_with_its_consul_agent(
    watcher: Peer, store: ConsulUnderTest, local: Consul
) -> None:
    """Nobody is left to fail the check: the gossip ends the session, long before its time to live does."""
    remote = ConsulUnderTest(store.server, {}, (local.address,), store.prefix)
    with holder(remote, "node1", "killed", [member(1).name]) as child:
        watcher.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        child.kill()
        local.kill()
        watcher.seen.wait_names(MEMBERS, [], GIVEN_UP)


def test_26_the_gossip_gives_up_a_machine_that_lives(watcher: Peer, away: Peers, local: Consul) -> None:
    """Others see the entry go; it is back as soon as the Consul agent is, and its node knew all the time."""
    agent = registered(away)
    watcher.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
    local.pause()
    agent.seen.wait_state(StoreState.LOST, LIFE + LATE)
    watcher.seen.wait_names(MEMBERS, [], GIVEN_UP)
    local.resume()
    watcher.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
    agent.wait_claim(member(1), Claim.OURS, PATIENCE)


def test_26_without_the_gossip_a_short_flap_costs_nothing(
    watcher: Peer, store: ConsulUnderTest, local: Consul
) -> None:
    """`session: ttl` and `serf_health: false`: only silence for the session's life ends the session.

    That is much longer than the gossip takes to give an agent up, on a busy machine, too.
    """
    options = {"session": "ttl", "serf_health": False}
    remote = ConsulUnderTest(store.server, options, (local.address,), store.prefix, life=60.0)
    away = Peers(remote)
    agent = registered(away)
    watcher.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
    mark = agent.seen.mark()
    with watcher.seen.never_without(MEMBERS, member(1).name):
        local.pause()
        _wait_until_failed(store, local)
        local.resume()
        agent.seen.wait_state(StoreState.CONNECTED, PATIENCE)
    assert StoreState.LOST not in agent.seen.states(mark)
    away.close()


def _wait_until_failed(store: ConsulUnderTest, local: Consul) -> None:
    """Wait until the gossip has given a Consul agent up."""

    def failed() -> bool:
        found = store.server.call(f"health/node/{local.name}", "GET")
        assert isinstance(found, list)
        return any(each["CheckID"] == "serfHealth" and each["Status"] == "critical" for each in found)

    eventually(failed, GIVEN_UP, "the gossip has given the Consul agent up")
