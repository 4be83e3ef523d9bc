"""Three members of etcd, one of which dies, freezes, or is alone."""

from collections.abc import Callable, Iterator

import pytest

from tests.contract.etcd.under_test import EtcdUnderTest
from tests.servers.etcd import Cluster, Etcd
from vipagent.testing.death import holder
from vipagent.testing.faults import LATE, RECOVERY
from vipagent.testing.peers import MEMBERS, Peer, Peers, member
from vipagent.testing.recorder import SessionSeen
from vipagent.testing.store import NOTICE, PATIENCE
from vipagent.types import Claim, StoreState

LIFE = 10.0
"""Seconds of a session's life. A member without a leader leaves a request unanswered: two thirds of a life,
which are always left, have room for the member that died, two that are asked in vain, and one that serves."""
FAILOVER = LIFE * 2 / 3
"""Seconds, at most, until an agent has found a member that serves, the cluster's election included."""

Join = Callable[..., Peer]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("etcds"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """All three are well before each test, and after it."""
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
    """Make agents that have a member, and watch all members."""
    store = EtcdUnderTest(cluster.servers[0], life=LIFE)
    peers = Peers(store)

    def join(node: str, last: int, *servers: Etcd) -> Peer:
        store.hosts = tuple(server.address for server in servers)
        agent = peers.join(node)
        agent.watch(MEMBERS)
        agent.register(member(last))
        agent.wait_claim(member(last), Claim.OURS, PATIENCE)
        return agent

    yield join
    peers.close()


def server_of(agent: Peer, cluster: Cluster) -> Etcd:
    """Return the member that an agent was last connected with."""
    told = next(
        event.detail
        for event in reversed(agent.seen.events())
        if isinstance(event, SessionSeen) and event.state == StoreState.CONNECTED
    )
    return next(server for server in cluster.servers if told.startswith(f"{server.address}: "))


def others(cluster: Cluster, *without: Etcd) -> list[Etcd]:
    return [server for server in cluster.servers if server not in without]


class TestCluster:
    """What befalls one member is no matter to the agents; what befalls two is told, and heals."""

    def test_the_member_that_is_talked_to_is_killed(self, cluster: Cluster, join: Join) -> None:
        """Another one in a moment, on the same lease: nobody sees the entry go (pitfall 3)."""
        agent = join("node1", 1, *cluster.servers)
        used = server_of(agent, cluster)
        watcher = join("node2", 2, *others(cluster, used))
        mark = agent.seen.mark()
        with watcher.seen.never_without(MEMBERS, member(1).name):
            used.kill()
            agent.seen.wait_told(StoreState.UNSURE, NOTICE, mark)
            agent.seen.wait_state(StoreState.CONNECTED, FAILOVER, mark)
            assert server_of(agent, cluster) is not used
            watcher.register(member(3))
            names = [member(last).name for last in (1, 2, 3)]
            agent.seen.wait_names(MEMBERS, names, FAILOVER, mark)
        assert StoreState.LOST not in agent.seen.states(mark)

    def test_the_member_that_is_talked_to_is_frozen(self, cluster: Cluster, join: Join) -> None:
        """It hangs rather than fails: found out by a keep-alive, in time for the lease (pitfall 3)."""
        agent = join("node1", 1, *cluster.servers)
        used = server_of(agent, cluster)
        watcher = join("node2", 2, *others(cluster, used))
        mark = agent.seen.mark()
        with watcher.seen.never_without(MEMBERS, member(1).name):
            used.pause()
            agent.seen.wait_told(StoreState.UNSURE, LIFE, mark)
            agent.seen.wait_state(StoreState.CONNECTED, FAILOVER, mark)
            assert server_of(agent, cluster) is not used
            watcher.register(member(3))
            names = [member(last).name for last in (1, 2, 3)]
            agent.seen.wait_names(MEMBERS, names, FAILOVER, mark)

    def test_pitfall_20_a_new_leader_keeps_the_leases(self, cluster: Cluster, join: Join) -> None:
        """ "Not a primary lessor" means to try again."""
        leader = cluster.leader()
        one, two = (
            join(f"node{last}", last, server) for last, server in enumerate(others(cluster, leader), 1)
        )
        marks = one.seen.mark(), two.seen.mark()
        with one.seen.never_without(MEMBERS, member(2).name), two.seen.never_without(MEMBERS, member(1).name):
            leader.kill()
            one.register(member(3))
            two.register(member(4))
            for agent in (one, two):
                names = [member(last).name for last in (1, 2, 3, 4)]
                agent.seen.wait_names(MEMBERS, names, FAILOVER + RECOVERY)
        for agent, mark in zip((one, two), marks, strict=True):
            assert StoreState.LOST not in agent.seen.states(mark)

    def test_pitfall_16_a_member_without_a_quorum_is_no_session(self, cluster: Cluster, join: Join) -> None:
        """Its watch would be silent, and its lists old: it is left, and nothing is handed over."""
        alone = cluster.servers[0]
        agent = join("node1", 1, alone)
        mark = agent.seen.mark()
        for server in others(cluster, alone):
            server.kill()
        agent.seen.wait_state(StoreState.LOST, LIFE + LATE, mark)
        assert agent.seen.snapshots(MEMBERS, mark) == []
        last = agent.seen.events()[-1]
        assert isinstance(last, SessionSeen)
        assert alone.address in last.detail
        for server in others(cluster, alone):
            server.launch()
        for server in cluster.servers:
            server.wait()
        agent.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)
        agent.wait_claim(member(1), Claim.OURS, RECOVERY)

    def test_pitfall_16_the_side_with_the_quorum_is_found(self, cluster: Cluster, join: Join) -> None:
        """A member that the others cannot reach is well otherwise; the agent moves to them."""
        agent = join("node1", 1, *cluster.servers)
        used = server_of(agent, cluster)
        mark = agent.seen.mark()
        for server in others(cluster, used):
            server.pause()
        agent.seen.wait_for(lambda: agent.seen.states(mark), PATIENCE, "the fault is told")
        for server in others(cluster, used):
            server.resume()
        agent.seen.wait_state(StoreState.CONNECTED, FAILOVER + RECOVERY, mark)
        agent.wait_claim(member(1), Claim.OURS, RECOVERY)

    def test_a_node_dies_together_with_the_leader(self, cluster: Cluster, join: Join) -> None:
        """Its entries go with the lease, whose life begins anew with the next leader's term."""
        watcher = join("node2", 2, *cluster.servers)
        store = EtcdUnderTest(cluster.servers[0], hosts=cluster.hosts, life=LIFE)
        store.prefix = watcher.backend.settings.prefix
        with holder(store, "node1", "killed", [member(1).name]) as child:
            watcher.seen.wait_names(MEMBERS, [member(1).name, member(2).name], PATIENCE)
            mark = watcher.seen.mark()
            cluster.leader().kill()
            child.kill()
            watcher.seen.wait_names(MEMBERS, [member(2).name], LIFE + FAILOVER + 3.0)
        assert StoreState.LOST not in watcher.seen.states(mark)
