"""ExaBGP and agent killed together, and back before the session has expired (G3)."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.exabgp.conftest import zookeeper_options
from tests.exabgp.lab import Lab, Node, Site, peer
from tests.exabgp.registry import Registry
from tests.servers.exabgp import VERSIONS, Settings
from tests.servers.process import wait_for
from tests.servers.zookeeper import ZooKeeper
from vipagent.testing.slowness import allowed

AWAY = 1.0
"""Time in seconds between the crash and the restart."""
REMOVED_WITHIN = 1.0
"""Maximum time in seconds from the agent's start to the takeover by the other nodes."""
RISE = ("--rise", "20", "--interval", "0.3", "--fast-interval", "0.3")
"""The node cannot announce its VIP for 6 s after its start."""


@pytest.fixture(params=VERSIONS, ids=lambda version: f"exabgp{version}")
def slow_lab(
    request: pytest.FixtureRequest, zookeeper: ZooKeeper, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Registry]]:
    """Create a lab whose nodes announce their VIPs long after their start, in its converged state."""
    prefix = f"/test_restart/{request.param}"
    options = ("--settle", "0", *RISE)
    site = Site(Settings(request.param), zookeeper_options(zookeeper, prefix), options)
    lab = Lab(tmp_path_factory.mktemp("lab"), site)
    with Registry(zookeeper.address, prefix) as registry:
        try:
            lab.start()
            vips = set(lab.converged())
            wait_for("all VIPs are registered", lambda: registry.members() >= vips, 20)
            yield lab, registry
        finally:
            lab.stop()


def test_the_stale_registration_of_a_node_without_routes_is_removed_at_once(
    slow_lab: tuple[Lab, Registry],
) -> None:
    lab, registry = slow_lab
    node = lab.nodes[0]
    node.exabgp.crash()
    crashed = time.time()
    wait_for("the node is away", lambda: time.time() >= crashed + AWAY)
    assert node.vip in registry.members(), "the session has not expired yet"
    starts = node.agent_log().count("started node=")
    node.exabgp.start()
    wait_for("the agent has started", lambda: node.agent_log().count("started node=") > starts)
    started = time.time()
    lab.wait_for(lab.without(node), REMOVED_WITHIN)
    taken = [change.at for change in lab.changes(crashed, [node.vip]) if change.added]
    assert max(taken) - started < allowed(REMOVED_WITHIN)
    lab.wait_for(lab.converged(), 30)


def test_a_copied_file_does_not_end_the_registration_of_the_live_agent(
    slow_lab: tuple[Lab, Registry], tmp_path: Path
) -> None:
    """The copy's ExaBGP has no route, but it cannot know that the registration is stale."""
    lab, registry = slow_lab
    node = lab.nodes[0]
    since, session = time.time(), registry.session(node.vip)
    copy = Node(node.number, tmp_path / "copy", lab.site, lab.switch, replace(peer(4), name=node.name))
    copy.exabgp.start()
    try:
        wait_for("the copy has started", lambda: "started node=" in copy.agent_log())
        started = time.time()
        wait_for("the copy knows what is registered", lambda: time.time() >= started + 2 * REMOVED_WITHIN)
        assert " register " not in copy.agent_log()
    finally:
        copy.exabgp.stop()
    assert "conflict" not in node.agent_log()
    assert registry.session(node.vip) == session
    assert lab.changes(since) == []


def test_the_registration_of_a_node_whose_routes_are_there_is_not_removed(
    slow_lab: tuple[Lab, Registry],
) -> None:
    """Only the agent was killed: ExaBGP announces its routes, so the VIP is served."""
    lab, registry = slow_lab
    node = lab.nodes[0]
    since, pid = time.time(), node.exabgp.child()
    session = registry.session(node.vip)
    node.signal_agent(signal.SIGKILL)
    wait_for("ExaBGP has restarted the agent", lambda: node.exabgp.child() != pid)
    wait_for("the new agent has registered", lambda: registry.session(node.vip) not in (0, session), 10)
    assert lab.changes(since) == []
