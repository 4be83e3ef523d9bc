"""Three Consul servers: the leader dies, the quorum goes and returns, one freezes."""

import time
from collections.abc import Iterator

import pytest

from tests.contract.consul.under_test import LIFE, ConsulUnderTest
from tests.servers.consul import Cluster, Consul
from tests.servers.process import wait_for
from vipagent.store.layout import WHOLE_SERVICE, Key
from vipagent.testing.death import holder
from vipagent.testing.faults import LATE, RECOVERY
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peer, Peers, member
from vipagent.testing.recorder import SnapshotSeen
from vipagent.testing.store import NOTICE, PATIENCE
from vipagent.types import Claim, StoreState

ELECTION = 10.0
"""Seconds that a cluster may take for a new leader: 2 to 4, and twice that if the first round fails."""
LONG_LIFE = 10.0
"""Seconds of a session that outlives an election."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def whole(cluster: Cluster) -> Iterator[Cluster]:
    """All three servers run and serve, before the test and after it."""
    yield cluster
    for server in cluster.servers:
        if not server.process.running:
            server.launch()
    for server in cluster.servers:
        server.wait()


@pytest.fixture
def leader(whole: Cluster) -> Consul:
    return whole.leader()


@pytest.fixture
def life() -> float:
    return LIFE


@pytest.fixture
def store(whole: Cluster, leader: Consul, life: float) -> ConsulUnderTest:
    """Agents ask a server that follows first, then the leader."""
    hosts = [address for address in whole.hosts if address != leader.address]
    return ConsulUnderTest(leader, {}, (hosts[0], leader.address, hosts[1]), life=life)


@pytest.fixture
def agent(peers: Peers) -> Peer:
    """An agent with a member, in a service with a maintenance key, which must never seem gone."""
    agent = peers.join("node1")
    agent.backend.write(Key(MAINTENANCE, WHOLE_SERVICE), b"", PATIENCE)
    agent.watch(MAINTENANCE)
    agent.watch(MEMBERS)
    agent.register(member(1))
    agent.seen.wait_names(MAINTENANCE, [WHOLE_SERVICE], PATIENCE)
    agent.wait_claim(member(1), Claim.OURS, PATIENCE)
    return agent


@pytest.mark.parametrize("life", [LONG_LIFE])
def test_the_leader_dies_while_a_node_does(
    agent: Peer, store: ConsulUnderTest, leader: Consul, life: float
) -> None:
    """The node's entry goes all the same, once; nobody else's does."""
    with holder(store, "node2", "killed", [member(2).name]) as child:
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], PATIENCE)
        mark = agent.seen.mark()
        with agent.seen.never_without(MEMBERS, member(1).name):
            leader.kill()
            child.kill()
            agent.seen.wait_names(MEMBERS, [member(1).name], life + ELECTION, mark)
            agent.seen.wait_state(StoreState.CONNECTED, PATIENCE, mark)
    with_it = [member(2).name in snapshot for snapshot in agent.seen.snapshots(MEMBERS, mark)]
    assert with_it == sorted(with_it, reverse=True), "once it is gone, it stays gone"


def test_the_server_that_is_asked_dies(
    agent: Peer, peers: Peers, store: ConsulUnderTest, whole: Cluster
) -> None:
    """The agent goes on at another one, in a new session: nobody sees its entry go, now or later."""
    other = peers.join("node2")
    other.watch(MEMBERS)
    other.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
    (asked,) = (server for server in whole.servers if server.address == store.hosts[0])
    mark = agent.seen.mark()
    with other.seen.never_without(MEMBERS, member(1).name):
        asked.kill()
        agent.seen.wait_state(StoreState.CONNECTED, PATIENCE, mark)
        agent.wait_claim(member(1), Claim.OURS, NOTICE)
        _wait_until_given_up(store.server, asked)
        agent.register(member(3))
        other.seen.wait_names(MEMBERS, [member(1).name, member(3).name], NOTICE)
    assert StoreState.LOST not in agent.seen.states(mark)


def _wait_until_given_up(leader: Consul, dead: Consul) -> None:
    """Wait until the gossip's check, which the first session hung on, has failed."""

    def failed() -> bool:
        found = leader.call(f"health/node/{dead.name}", "GET")
        assert isinstance(found, list)
        return any(each["CheckID"] == "serfHealth" and each["Status"] == "critical" for each in found)

    wait_for("the gossip gives up a server", failed, 20.0)


def test_a_frozen_leader(agent: Peer, peers: Peers, leader: Consul) -> None:
    """The others elect a new one; the agent's view goes on, and its entry stays."""
    mark = agent.seen.mark()
    leader.pause()
    try:  # a quick election is over before the agent's next sign of life: then its session is never unsure
        peers.join("node2").register(member(2))
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], LIFE + ELECTION, mark)
        agent.seen.wait_for(lambda: agent.seen.state is StoreState.CONNECTED, PATIENCE, "it is connected")
        agent.wait_claim(member(1), Claim.OURS, NOTICE)
    finally:
        leader.resume()


def test_06_no_quorum_is_not_no_peers(
    agent: Peer, peers: Peers, store: ConsulUnderTest, whole: Cluster
) -> None:
    """Without a quorum nothing is handed over; with it again, the view is right within 2 s."""
    peers.join("node2").register(member(2))
    agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], PATIENCE)
    gone = [server for server in whole.servers if server.address in store.hosts[1:]]
    mark = agent.seen.mark()
    with agent.seen.never_without(MAINTENANCE, WHOLE_SERVICE):
        for server in gone:
            server.kill()
        agent.seen.wait_state(StoreState.LOST, LIFE + LATE, mark)
        lost = time.monotonic()
        early = [event for event in agent.seen.events(mark) if isinstance(event, SnapshotSeen)]
        assert all(set(event.entries) for event in early)
        assert not [event for event in early if event.at > lost]
        for server in gone:
            server.launch()
        for server in whole.servers:
            server.wait()
        agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)
        agent.seen.wait_names(MAINTENANCE, [WHOLE_SERVICE], RECOVERY, mark)
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], RECOVERY, mark)
        agent.wait_claim(member(1), Claim.OURS, RECOVERY)
