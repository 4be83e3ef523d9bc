"""Agents and ExaBGPs that are killed, frozen and stopped (E2, E3, G2, G3, H1)."""

import signal
import time

from tests.exabgp.conftest import SESSION
from tests.exabgp.lab import Lab, never_without_route
from tests.exabgp.registry import Registry
from tests.servers.bird import Change
from tests.servers.process import wait_for
from tests.servers.zookeeper import ZooKeeper
from vipagent.testing.slowness import allowed

AT_ONCE = 1.0
"""Maximum time in seconds for a takeover after a deregistration."""


def test_in_the_steady_state_each_node_announces_its_own_vip_alone(lab: Lab, registry: Registry) -> None:
    assert lab.table() == lab.steady()
    assert registry.members() == set(lab.steady())
    names = {node.name for node in lab.nodes}
    wait_for("all show their states", lambda: registry.states() == names)


def test_other_nodes_takeover_from_a_dead_machine_and_hand_back_without_a_gap(lab: Lab) -> None:
    dead = lab.nodes[0]
    dead.exabgp.crash()
    lab.wait_for(lab.without(dead), SESSION + 6)
    back = time.time()
    dead.exabgp.start()
    lab.wait_for(lab.steady(), 15)
    takers = [node.name for node in lab.nodes[1:]]
    assert never_without_route(lab.changes(back, [dead.vip]), takers)
    own = [node.vip for node in lab.nodes[1:]]
    assert lab.changes(back, own) == []


def test_a_killed_agent_is_replaced_without_a_change_of_routes(
    lab: Lab, registry: Registry, zookeeper: ZooKeeper
) -> None:
    node = lab.nodes[1]
    before, killed = registry.session(node.vip), time.time()
    node.signal_agent(signal.SIGKILL)
    wait_for("the new agent has registered", lambda: registry.session(node.vip) not in (0, before))
    assert f"{before:#x}" in zookeeper.dump(), "the new agent must not wait for the old session's timeout"
    wait_for("the old session has ended", lambda: f"{before:#x}" not in zookeeper.dump(), SESSION + 5)
    assert registry.session(node.vip) not in (0, before)
    assert lab.changes(killed) == []


def test_no_stale_route_and_no_stale_registration_survive_a_killed_agent(
    lab: Lab, registry: Registry, zookeeper: ZooKeeper
) -> None:
    """Its service fails as well: the next agent handles both, without a session timeout (G2, E2)."""
    node = lab.nodes[2]
    before = registry.session(node.vip)
    node.fails.touch()
    node.signal_agent(signal.SIGKILL)
    lab.wait_for(lab.without(node))
    assert f"{before:#x}" in zookeeper.dump(), "the other nodes must not wait for the session timeout"


def test_other_nodes_hear_immediately_that_an_exabgp_was_killed(lab: Lab) -> None:
    node = lab.nodes[0]
    node.exabgp.kill()
    lab.wait_for(lab.without(node), AT_ONCE)


def test_other_nodes_hear_immediately_that_an_exabgp_was_ended(lab: Lab) -> None:
    node = lab.nodes[1]
    node.exabgp.terminate()
    lab.wait_for(lab.without(node), AT_ONCE)


def test_an_ended_agent_deregisters_and_withdraws_within_two_seconds(lab: Lab) -> None:
    node = lab.nodes[2]
    pid, ended = node.exabgp.child(), time.time()
    node.signal_agent(signal.SIGTERM)

    def of_node() -> list[Change]:
        return [change for change in lab.changes(ended, [node.vip]) if change.peer == node.name]

    wait_for("the VIP goes at the lowest rank and, by another agent, is back", lambda: len(of_node()) == 3)
    assert [change.added for change in of_node()] == [True, False, True]
    assert of_node()[1].at - ended < allowed(2.0)
    assert node.exabgp.child() != pid
    lab.wait_for(lab.steady())


def test_an_agent_stopped_for_longer_than_its_session_is_owner_again(lab: Lab, registry: Registry) -> None:
    node = lab.nodes[0]
    stopped = time.time()
    node.signal_agent(signal.SIGSTOP)
    others = {other.name: 200 for other in lab.nodes[1:]}
    lab.wait_for({**lab.steady(), node.vip: {node.name: 100, **others}}, SESSION + 6)
    node.signal_agent(signal.SIGCONT)
    lab.wait_for(lab.steady(), 15)
    assert registry.session(node.vip) != 0
    assert [change for change in lab.changes(stopped) if change.peer == node.name] == []
