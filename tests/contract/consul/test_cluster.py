"""Three Consul servers: killed leader, lost quorum, frozen server."""

import time
from collections.abc import Iterator

import pytest

from tests.contract.consul.under_test import LIFE, ConsulUnderTest
from tests.servers.consul import Cluster, Consul
from tests.servers.process import wait_for
from vipagent.store.layout import WHOLE_SERVICE, Key
from vipagent.testing.death import holder
from vipagent.testing.faults import LOSS_TOLERANCE, MAX_RECOVERY
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peer, Peers, member
from vipagent.testing.recorder import SnapshotSeen
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState

ELECTION_GRACE = 10.0
"""Maximum duration of an election in seconds: 2 to 4, and twice that if the first round fails."""
LONG_LIFE = 10.0
"""Session timeout in seconds that is longer than an election."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def whole(cluster: Cluster) -> Iterator[Cluster]:
    """Three servers that run before and after each test."""
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
    """Agents that use a follower first, then the leader."""
    hosts = [address for address in whole.hosts if address != leader.address]
    return ConsulUnderTest(leader, {}, (hosts[0], leader.address, hosts[1]), life=life)


@pytest.fixture
def agent(peers: Peers) -> Peer:
    """An agent with a member, in a service with a maintenance key, which must never disappear."""
    agent = peers.join("node1")
    agent.backend.write(Key(MAINTENANCE, WHOLE_SERVICE), b"", WAIT_TIMEOUT)
    agent.watch(MAINTENANCE)
    agent.watch(MEMBERS)
    agent.register(member(1))
    agent.seen.wait_names(MAINTENANCE, [WHOLE_SERVICE], WAIT_TIMEOUT)
    agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    return agent


@pytest.mark.parametrize("life", [LONG_LIFE])
def test_the_leader_dies_while_a_node_does(
    agent: Peer, store: ConsulUnderTest, leader: Consul, life: float
) -> None:
    """Only the node's entry disappears, once."""
    with holder(store, "node2", "killed", [member(2).name]) as child:
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], WAIT_TIMEOUT)
        mark = agent.seen.mark()
        with agent.seen.always_contains(MEMBERS, member(1).name):
            leader.kill()
            child.kill()
            agent.seen.wait_names(MEMBERS, [member(1).name], life + ELECTION_GRACE, mark)
            agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT, mark)
    with_it = [member(2).name in snapshot for snapshot in agent.seen.snapshots(MEMBERS, mark)]
    assert with_it == sorted(with_it, reverse=True), "once it is gone, it stays gone"


def test_the_server_that_is_asked_dies(
    agent: Peer, peers: Peers, store: ConsulUnderTest, whole: Cluster
) -> None:
    """The agent fails over with a new session, and its entry never disappears."""
    other = peers.join("node2")
    other.watch(MEMBERS)
    other.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    (asked,) = (server for server in whole.servers if server.address == store.hosts[0])
    mark = agent.seen.mark()
    with other.seen.always_contains(MEMBERS, member(1).name):
        asked.kill()
        agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT, mark)
        agent.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
        _wait_until_given_up(store.server, asked)
        agent.register(member(3))
        other.seen.wait_names(MEMBERS, [member(1).name, member(3).name], MAX_PROPAGATION)
    assert StoreState.LOST not in agent.seen.states(mark)


def _wait_until_given_up(leader: Consul, dead: Consul) -> None:
    """Wait until the serfHealth check of the first session has failed."""

    def failed() -> bool:
        found = leader.call(f"health/node/{dead.name}", "GET")
        assert isinstance(found, list)
        return any(each["CheckID"] == "serfHealth" and each["Status"] == "critical" for each in found)

    wait_for("the gossip gives up a server", failed, 20.0)


def test_a_frozen_leader(agent: Peer, peers: Peers, leader: Consul) -> None:
    """The others elect a new leader; the agent's entry and view are kept."""
    mark = agent.seen.mark()
    leader.pause()
    try:  # after a quick election, before the next keep-alive, the session is never unsure
        peers.join("node2").register(member(2))
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], LIFE + ELECTION_GRACE, mark)
        agent.seen.wait_for(lambda: agent.seen.state is StoreState.CONNECTED, WAIT_TIMEOUT, "it is connected")
        agent.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
    finally:
        leader.resume()


def test_no_quorum_is_not_no_peers(agent: Peer, peers: Peers, store: ConsulUnderTest, whole: Cluster) -> None:
    """Without a quorum nothing is delivered; afterwards the view is correct within 2 s."""
    peers.join("node2").register(member(2))
    agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], WAIT_TIMEOUT)
    gone = [server for server in whole.servers if server.address in store.hosts[1:]]
    mark = agent.seen.mark()
    with agent.seen.always_contains(MAINTENANCE, WHOLE_SERVICE):
        for server in gone:
            server.kill()
        agent.seen.wait_state(StoreState.LOST, LIFE + LOSS_TOLERANCE, mark)
        lost = time.monotonic()
        early = [event for event in agent.seen.events(mark) if isinstance(event, SnapshotSeen)]
        assert all(set(event.entries) for event in early)
        assert not [event for event in early if event.at > lost]
        for server in gone:
            server.launch()
        for server in whole.servers:
            server.wait()
        agent.seen.wait_state(StoreState.CONNECTED, MAX_RECOVERY, mark)
        agent.seen.wait_names(MAINTENANCE, [WHOLE_SERVICE], MAX_RECOVERY, mark)
        agent.seen.wait_names(MEMBERS, [member(1).name, member(2).name], MAX_RECOVERY, mark)
        agent.wait_claim(member(1), Claim.OURS, MAX_RECOVERY)
