"""Checks, maintenance, and whatever else may lie in the store (H2, H3, H5, S1, S2)."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.exabgp.lab import DRAIN, OWN, SERVICE, Lab, agent, never_without_route, vip
from tests.exabgp.registry import Registry
from tests.servers.process import wait_for
from vipagent.testing.slowness import allowed

NOTICED = 1.0
"""Seconds in which every agent acts on a key in the store."""

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
"""Entries by their names, for each kind of directory."""


def operate(lab: Lab, *words: str) -> None:
    """Run `vipagent maintenance`, as an operator does."""
    action, *options = words
    command = agent("maintenance", action, SERVICE, *options, *lab.site.store)
    done = subprocess.run(command, capture_output=True, text=True, timeout=allowed(20), check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def maintenance(lab: Lab, *what: str, how: tuple[str, ...] = ()) -> Iterator[None]:
    """Put a node or the service in maintenance, and end it."""
    operate(lab, "on", *what, *how)
    try:
        yield
    finally:
        operate(lab, "off", *what)


def test_a_failing_check_withdraws_and_deregisters_immediately_and_recovery_takes_the_vip_back(
    lab: Lab, registry: Registry
) -> None:
    node = lab.nodes[0]
    since = time.time()
    node.fails.touch()
    lab.wait_for(lab.without(node))
    assert node.vip not in registry.members()
    [withdrawn] = [c for c in lab.changes(since, [node.vip]) if not c.added]
    taken = [c for c in lab.changes(since, [node.vip]) if c.added]
    assert min(c.at for c in taken) - withdrawn.at < allowed(NOTICED)
    back = time.time()
    node.fails.unlink()
    lab.wait_for(lab.steady())
    assert never_without_route(lab.changes(back, [node.vip]), ["node2", "node3"])


def test_a_service_in_maintenance_is_withdrawn_everywhere_and_comes_back(lab: Lab) -> None:
    with maintenance(lab, how=("--reason", "an exercise")):
        lab.wait_for({}, NOTICED)
    lab.wait_for(lab.steady(), NOTICED + 2)


def test_a_node_in_maintenance_is_drained_without_a_gap(lab: Lab, registry: Registry) -> None:
    node = lab.nodes[1]
    since = time.time()

    def looks_elsewhere() -> bool:
        routes = lab.switch.routes().get(f"{node.vip}/32", [])
        return any(r.peer == node.name and "65535:0" in r.communities and r.med != OWN for r in routes)

    with maintenance(lab, "--node", node.name):
        wait_for("its route asks the switch to look elsewhere", looks_elsewhere, NOTICED)
        wait_for("it has deregistered", lambda: node.vip not in registry.members(), NOTICED)
        lab.wait_for(lab.without(node))
    lab.wait_for(lab.steady())
    assert never_without_route(lab.changes(since, [node.vip]), [node.name])


def test_maintenance_now_skips_the_drain(lab: Lab) -> None:
    node = lab.nodes[0]
    with maintenance(lab, "--node", node.name, how=("--now",)):
        lab.wait_for(lab.without(node), NOTICED)
    lab.wait_for(lab.steady())


@pytest.mark.parametrize(("name", "value"), [("all", b""), ("node2", b'{"now": [')], ids=["all", "node2"])
def test_a_foreign_maintenance_znode_counts_whatever_its_value(
    lab: Lab, registry: Registry, name: str, value: bytes
) -> None:
    registry.put("maintenance", name, value)
    try:
        lab.wait_for({} if name == "all" else lab.without(lab.nodes[1]), NOTICED + DRAIN)
    finally:
        registry.remove("maintenance", name)
    lab.wait_for(lab.steady())


@pytest.mark.parametrize("value", [b"", b'{"node": ["node1"]}' * 10_000], ids=["bare", "hostile"])
def test_a_foreign_registration_is_a_live_member(lab: Lab, registry: Registry, value: bytes) -> None:
    node = lab.nodes[2]
    node.exabgp.terminate()
    lab.wait_for(lab.without(node), NOTICED)
    registry.put("service", node.vip, value, ephemeral=True)
    try:
        # It is served by somebody who does not speak to our switch: nobody here announces it any more.
        left = {other.vip: {other.name: 100} for other in lab.nodes[:2]}
        lab.wait_for(left)
    finally:
        registry.remove("service", node.vip)
    lab.wait_for(lab.without(node), NOTICED)


@pytest.mark.parametrize("kind", ["service", "maintenance", "state"])
def test_hostile_content_changes_nothing(lab: Lab, registry: Registry, kind: str) -> None:
    pids, since = [node.exabgp.child() for node in lab.nodes], time.time()
    hostile = {**HOSTILE, "a/deep/tree/" + "/".join("x" * 50): b""}
    try:
        for name, value in hostile.items():
            registry.put(kind, name, value)
        # An agent that follows this has seen all that came before it.
        with maintenance(lab, "--node", "node1", how=("--now",)):
            lab.wait_for(lab.without(lab.nodes[0]), NOTICED)
        lab.wait_for(lab.steady())
    finally:
        for name in hostile:
            registry.remove(kind, name.partition("/")[0])
    assert [node.exabgp.child() for node in lab.nodes] == pids
    assert {c.prefix for c in lab.changes(since)} == {f"{vip(1)}/32"}
