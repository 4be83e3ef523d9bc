"""Agents and ExaBGPs that are killed, frozen or terminated (E2, E3, G2, G3, H1)."""

import signal
import time

from tests.exabgp.conftest import SESSION_TIMEOUT
from tests.exabgp.lab import Lab, never_without_route
from tests.exabgp.registry import Registry
from tests.servers.bird import Change
from tests.servers.process import wait_for
from tests.servers.zookeeper import ZooKeeper
from vipagent.testing.slowness import allowed

TAKEOVER_TIMEOUT = 1.0
"""Maximum time in seconds for a takeover after a deregistration."""


def test_each_node_announces_only_its_own_vip(lab: Lab, registry: Registry) -> None:
    assert lab.table() == lab.converged()
    assert registry.members() == set(lab.converged())
    names = {node.name for node in lab.nodes}
    wait_for("all nodes publish their states", lambda: registry.states() == names)


def test_a_dead_machine_is_taken_over_and_handed_back_without_a_gap(lab: Lab) -> None:
    dead = lab.nodes[0]
    dead.exabgp.crash()
    lab.wait_for(lab.without(dead), SESSION_TIMEOUT + 6)
    restarted = time.time()
    dead.exabgp.start()
    lab.wait_for(lab.converged(), 15)
    other_nodes = [node.name for node in lab.nodes[1:]]
    assert never_without_route(lab.changes(restarted, [dead.vip]), other_nodes)
    own = [node.vip for node in lab.nodes[1:]]
    assert lab.changes(restarted, own) == []


def test_a_killed_agent_is_replaced_without_a_change_of_routes(
    lab: Lab, registry: Registry, zookeeper: ZooKeeper
) -> None:
    node = lab.nodes[1]
    before, killed = registry.session(node.vip), time.time()
    node.signal_agent(signal.SIGKILL)
    wait_for("the new agent has registered", lambda: registry.session(node.vip) not in (0, before))
    assert f"{before:#x}" in zookeeper.dump(), "the new agent must not wait for the old session's timeout"
    wait_for("the old session has ended", lambda: f"{before:#x}" not in zookeeper.dump(), SESSION_TIMEOUT + 5)
    assert registry.session(node.vip) not in (0, before)
    assert lab.changes(killed) == []


def test_no_stale_route_and_no_stale_registration_survive_a_killed_agent(
    lab: Lab, registry: Registry, zookeeper: ZooKeeper
) -> None:
    """The service fails, too: the next agent removes both without a session timeout (G2, E2)."""
    node = lab.nodes[2]
    before = registry.session(node.vip)
    node.fails.touch()
    node.signal_agent(signal.SIGKILL)
    lab.wait_for(lab.without(node))
    assert f"{before:#x}" in zookeeper.dump(), "the other nodes must not wait for the session timeout"


def test_a_killed_exabgp_is_taken_over_immediately(lab: Lab) -> None:
    node = lab.nodes[0]
    node.exabgp.kill()
    lab.wait_for(lab.without(node), TAKEOVER_TIMEOUT)


def test_a_terminated_exabgp_is_taken_over_immediately(lab: Lab) -> None:
    node = lab.nodes[1]
    node.exabgp.terminate()
    lab.wait_for(lab.without(node), TAKEOVER_TIMEOUT)


def test_a_terminated_agent_deregisters_and_withdraws_within_two_seconds(lab: Lab) -> None:
    node = lab.nodes[2]
    pid, terminated = node.exabgp.child(), time.time()
    node.signal_agent(signal.SIGTERM)

    def own_changes() -> list[Change]:
        return [change for change in lab.changes(terminated, [node.vip]) if change.peer == node.name]

    wait_for(
        "three changes: lowest rank, withdrawal, announcement by the next agent",
        lambda: len(own_changes()) == 3,
    )
    assert [change.added for change in own_changes()] == [True, False, True]
    assert own_changes()[1].at - terminated < allowed(2.0)
    assert node.exabgp.child() != pid
    lab.wait_for(lab.converged())


def test_an_agent_frozen_for_longer_than_its_session_takes_its_vip_back(lab: Lab, registry: Registry) -> None:
    node = lab.nodes[0]
    stopped = time.time()
    node.signal_agent(signal.SIGSTOP)
    others = {other.name: 200 for other in lab.nodes[1:]}
    lab.wait_for({**lab.converged(), node.vip: {node.name: 100, **others}}, SESSION_TIMEOUT + 6)
    node.signal_agent(signal.SIGCONT)
    lab.wait_for(lab.converged(), 15)
    assert registry.session(node.vip) != 0
    assert [change for change in lab.changes(stopped) if change.peer == node.name] == []
