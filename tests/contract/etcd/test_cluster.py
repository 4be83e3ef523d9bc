"""Three members of etcd, one of which is killed, frozen or isolated."""

from collections.abc import Callable, Iterator

import pytest

from tests.contract.etcd.under_test import EtcdUnderTest
from tests.servers.etcd import Cluster, Etcd
from vipagent.testing.death import holder
from vipagent.testing.faults import LOSS_TOLERANCE, MAX_RECOVERY
from vipagent.testing.peers import MEMBERS, Peer, Peers, member
from vipagent.testing.recorder import SessionSeen
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState

LIFE = 10.0
"""Session timeout in seconds. A member without a leader does not reply to a request: two thirds of the
timeout are enough for the failed member, two unsuccessful requests, and one member that serves."""
FAILOVER = LIFE * 2 / 3
"""Maximum duration of a failover in seconds, including the election."""

Join = Callable[..., Peer]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("etcds"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """Three members that serve before and after each test."""
    yield running
    for server in running.servers:
        if server.process.running:
            server.resume()
        else:
            server.launch()
    for server in running.servers:
        server.wait()


@pytest.fixture
def join(cluster: Cluster) -> Iterator[Join]:
    """Create agents with a member that watch all members."""
    store = EtcdUnderTest(cluster.servers[0], life=LIFE)
    peers = Peers(store)

    def join(node: str, last: int, *servers: Etcd) -> Peer:
        store.hosts = tuple(server.address for server in servers)
        agent = peers.join(node)
        agent.watch(MEMBERS)
        agent.register(member(last))
        agent.wait_claim(member(last), Claim.OURS, WAIT_TIMEOUT)
        return agent

    yield join
    peers.close()


def server_of(agent: Peer, cluster: Cluster) -> Etcd:
    """Return the last member to which an agent was connected."""
    last = next(
        event.detail
        for event in reversed(agent.seen.events())
        if isinstance(event, SessionSeen) and event.state == StoreState.CONNECTED
    )
    return next(server for server in cluster.servers if last.startswith(f"{server.address}: "))


def others(cluster: Cluster, *without: Etcd) -> list[Etcd]:
    return [server for server in cluster.servers if server not in without]


class TestCluster:
    """A fault of one member has no effect; faults of two members are reported, and recover."""

    def test_the_connected_member_is_killed(self, cluster: Cluster, join: Join) -> None:
        """The agent fails over with the same lease, and its entry never disappears."""
        agent = join("node1", 1, *cluster.servers)
        used = server_of(agent, cluster)
        watcher = join("node2", 2, *others(cluster, used))
        mark = agent.seen.mark()
        with watcher.seen.always_contains(MEMBERS, member(1).name):
            used.kill()
            agent.seen.wait_reported(StoreState.UNSURE, MAX_PROPAGATION, mark)
            agent.seen.wait_state(StoreState.CONNECTED, FAILOVER, mark)
            assert server_of(agent, cluster) is not used
            watcher.register(member(3))
            names = [member(last).name for last in (1, 2, 3)]
            agent.seen.wait_names(MEMBERS, names, FAILOVER, mark)
        assert StoreState.LOST not in agent.seen.states(mark)

    def test_the_connected_member_is_frozen(self, cluster: Cluster, join: Join) -> None:
        """It hangs instead of failing: a keep-alive detects it before the lease expires."""
        agent = join("node1", 1, *cluster.servers)
        used = server_of(agent, cluster)
        watcher = join("node2", 2, *others(cluster, used))
        mark = agent.seen.mark()
        with watcher.seen.always_contains(MEMBERS, member(1).name):
            used.pause()
            agent.seen.wait_reported(StoreState.UNSURE, LIFE, mark)
            agent.seen.wait_state(StoreState.CONNECTED, FAILOVER, mark)
            assert server_of(agent, cluster) is not used
            watcher.register(member(3))
            names = [member(last).name for last in (1, 2, 3)]
            agent.seen.wait_names(MEMBERS, names, FAILOVER, mark)

    def test_a_new_leader_keeps_the_leases(self, cluster: Cluster, join: Join) -> None:
        """The error "Not a primary lessor" is retried."""
        leader = cluster.leader()
        one, two = (
            join(f"node{last}", last, server) for last, server in enumerate(others(cluster, leader), 1)
        )
        marks = one.seen.mark(), two.seen.mark()
        with (
            one.seen.always_contains(MEMBERS, member(2).name),
            two.seen.always_contains(MEMBERS, member(1).name),
        ):
            leader.kill()
            one.register(member(3))
            two.register(member(4))
            for agent in (one, two):
                names = [member(last).name for last in (1, 2, 3, 4)]
                agent.seen.wait_names(MEMBERS, names, FAILOVER + MAX_RECOVERY)
        for agent, mark in zip((one, two), marks, strict=True):
            assert StoreState.LOST not in agent.seen.states(mark)

    def test_a_member_without_a_quorum_is_no_session(self, cluster: Cluster, join: Join) -> None:
        """Its watch would have no events and its lists would be stale: the agent fails over."""
        alone = cluster.servers[0]
        agent = join("node1", 1, alone)
        mark = agent.seen.mark()
        for server in others(cluster, alone):
            server.kill()
        agent.seen.wait_state(StoreState.LOST, LIFE + LOSS_TOLERANCE, mark)
        assert agent.seen.snapshots(MEMBERS, mark) == []
        last = agent.seen.events()[-1]
        assert isinstance(last, SessionSeen)
        assert alone.address in last.detail
        for server in others(cluster, alone):
            server.launch()
        for server in cluster.servers:
            server.wait()
        agent.seen.wait_state(StoreState.CONNECTED, MAX_RECOVERY, mark)
        agent.wait_claim(member(1), Claim.OURS, MAX_RECOVERY)

    def test_the_side_with_the_quorum_is_found(self, cluster: Cluster, join: Join) -> None:
        """The agent fails over from an isolated member."""
        agent = join("node1", 1, *cluster.servers)
        used = server_of(agent, cluster)
        mark = agent.seen.mark()
        for server in others(cluster, used):
            server.pause()
        agent.seen.wait_for(lambda: agent.seen.states(mark), WAIT_TIMEOUT, "the fault is reported")
        for server in others(cluster, used):
            server.resume()
        agent.seen.wait_state(StoreState.CONNECTED, FAILOVER + MAX_RECOVERY, mark)
        agent.wait_claim(member(1), Claim.OURS, MAX_RECOVERY)

    def test_a_node_dies_together_with_the_leader(self, cluster: Cluster, join: Join) -> None:
        """Its entries expire with the lease, whose TTL restarts with the new leader."""
        watcher = join("node2", 2, *cluster.servers)
        store = EtcdUnderTest(cluster.servers[0], hosts=cluster.hosts, life=LIFE)
        store.prefix = watcher.backend.settings.prefix
        with holder(store, "node1", "killed", [member(1).name]) as child:
            watcher.seen.wait_names(MEMBERS, [member(1).name, member(2).name], WAIT_TIMEOUT)
            mark = watcher.seen.mark()
            cluster.leader().kill()
            child.kill()
            watcher.seen.wait_names(MEMBERS, [member(2).name], LIFE + FAILOVER + 3.0)
        assert StoreState.LOST not in watcher.seen.states(mark)
