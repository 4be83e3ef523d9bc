"""Checks, maintenance, and foreign or hostile entries in the store (H2, H3, H5, S1, S2)."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.exabgp.lab import DRAIN, OWN, SERVICE, Lab, agent, never_without_route, vip
from tests.exabgp.registry import Registry
from tests.servers.process import wait_for
from vipagent.testing.slowness import allowed

REACTION_TIMEOUT = 1.0
"""Maximum time in seconds until all agents have reacted to a key in the store."""

HOSTILE = {
    "not-json": b"{" * 1000,
    "deep-json": b"[" * 100_000,
    "wrong-json": b'{"vips": 7, "node": [], "now": "yes"}',
    "nearly-a-megabyte": b"\n" * 1_000_000,
    "no-text": b"\xff\x00",
    "0.0.0.0_0": b"",
    "10.66.6.6": b"",
    "10.20.255.1\u2028announce route 10.66.6.6 next-hop self": b"",
    "x" * 4000: b"",
}
"""Hostile entries: values by name."""


def run_maintenance(lab: Lab, *arguments: str) -> None:
    """Run `vipagent maintenance`."""
    action, *rest = arguments
    command = agent("maintenance", action, SERVICE, *rest, *lab.site.store)
    completed = subprocess.run(command, capture_output=True, text=True, timeout=allowed(20), check=False)
    assert completed.returncode == 0, completed.stderr


@contextmanager
def maintenance(lab: Lab, *target: str, options: tuple[str, ...] = ()) -> Iterator[None]:
    """Put a node or the service in maintenance during the context."""
    run_maintenance(lab, "on", *target, *options)
    try:
        yield
    finally:
        run_maintenance(lab, "off", *target)


def test_a_failing_check_withdraws_immediately_and_recovery_takes_the_vip_back(
    lab: Lab, registry: Registry
) -> None:
    node = lab.nodes[0]
    since = time.time()
    node.fails.touch()
    lab.wait_for(lab.without(node))
    assert node.vip not in registry.members()
    [withdrawn] = [c for c in lab.changes(since, [node.vip]) if not c.added]
    takeovers = [c for c in lab.changes(since, [node.vip]) if c.added]
    assert min(c.at for c in takeovers) - withdrawn.at < allowed(REACTION_TIMEOUT)
    recovered = time.time()
    node.fails.unlink()
    lab.wait_for(lab.converged())
    assert never_without_route(lab.changes(recovered, [node.vip]), ["node2", "node3"])


def test_a_service_in_maintenance_is_withdrawn_everywhere_and_comes_back(lab: Lab) -> None:
    with maintenance(lab, options=("--reason", "an exercise")):
        lab.wait_for({}, REACTION_TIMEOUT)
    lab.wait_for(lab.converged(), REACTION_TIMEOUT + 2)


def test_a_node_in_maintenance_is_drained_without_a_gap(lab: Lab, registry: Registry) -> None:
    node = lab.nodes[1]
    since = time.time()

    def is_drained() -> bool:
        routes = lab.switch.routes().get(f"{node.vip}/32", [])
        return any(r.peer == node.name and "65535:0" in r.communities and r.med != OWN for r in routes)

    with maintenance(lab, "--node", node.name):
        wait_for("its route has the community and MED of a drain", is_drained, REACTION_TIMEOUT)
        wait_for("the node has deregistered", lambda: node.vip not in registry.members(), REACTION_TIMEOUT)
        lab.wait_for(lab.without(node))
    lab.wait_for(lab.converged())
    assert never_without_route(lab.changes(since, [node.vip]), [node.name])


def test_maintenance_now_skips_the_drain(lab: Lab) -> None:
    node = lab.nodes[0]
    with maintenance(lab, "--node", node.name, options=("--now",)):
        lab.wait_for(lab.without(node), REACTION_TIMEOUT)
    lab.wait_for(lab.converged())


@pytest.mark.parametrize(("name", "value"), [("all", b""), ("node2", b'{"now": [')], ids=["all", "node2"])
def test_a_foreign_maintenance_znode_counts_with_any_value(
    lab: Lab, registry: Registry, name: str, value: bytes
) -> None:
    registry.put("maintenance", name, value)
    try:
        lab.wait_for({} if name == "all" else lab.without(lab.nodes[1]), REACTION_TIMEOUT + DRAIN)
    finally:
        registry.remove("maintenance", name)
    lab.wait_for(lab.converged())


@pytest.mark.parametrize("value", [b"", b'{"node": ["node1"]}' * 10_000], ids=["bare", "hostile"])
def test_a_foreign_registration_is_a_live_member(lab: Lab, registry: Registry, value: bytes) -> None:
    node = lab.nodes[2]
    node.exabgp.terminate()
    lab.wait_for(lab.without(node), REACTION_TIMEOUT)
    registry.put("service", node.vip, value, ephemeral=True)
    try:
        # The foreign member has no session with the switch, and the nodes of the lab stop announcing its VIP.
        remaining = {other.vip: {other.name: 100} for other in lab.nodes[:2]}
        lab.wait_for(remaining)
    finally:
        registry.remove("service", node.vip)
    lab.wait_for(lab.without(node), REACTION_TIMEOUT)


@pytest.mark.parametrize("kind", ["service", "maintenance", "state"])
def test_hostile_content_changes_nothing(lab: Lab, registry: Registry, kind: str) -> None:
    pids, since = [node.exabgp.child() for node in lab.nodes], time.time()
    hostile = {**HOSTILE, "a/deep/tree/" + "/".join("x" * 50): b""}
    try:
        for name, value in hostile.items():
            registry.put(kind, name, value)
        # An agent that reacts to this has also processed all earlier entries.
        with maintenance(lab, "--node", "node1", options=("--now",)):
            lab.wait_for(lab.without(lab.nodes[0]), REACTION_TIMEOUT)
        lab.wait_for(lab.converged())
    finally:
        for name in hostile:
            registry.remove(kind, name.partition("/")[0])
    assert [node.exabgp.child() for node in lab.nodes] == pids
    assert {c.prefix for c in lab.changes(since)} == {f"{vip(1)}/32"}
