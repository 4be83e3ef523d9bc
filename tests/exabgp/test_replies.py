"""ExaBGP without replies, with rejected commands, and temporarily frozen (E1, E4, G1)."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.exabgp.lab import TAKEN, Lab, Site
from tests.servers.exabgp import VERSIONS, Settings
from tests.servers.process import wait_for

FREEZE_DURATION = 30
"""Time in seconds for which an ExaBGP is frozen and does not read its pipes."""
UNKNOWN_NEIGHBOR = "127.0.0.77"
"""Not a neighbour of ExaBGP, which replies `error` to commands for it."""

Build = Callable[..., Lab]


@pytest.fixture
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Create a lab with a `file` store, and stop it after the test."""
    with ExitStack() as stack:

        def new(settings: Settings, *options: str) -> Lab:
            store = ("--backend", "file", "--hosts", str(tmp_path_factory.mktemp("store")))
            lab = Lab(tmp_path_factory.mktemp("lab"), Site(settings, store, ("--settle", "0", *options)))
            stack.callback(lab.stop)
            return lab

        yield new


@pytest.mark.parametrize("version", VERSIONS)
def test_takeover_and_hand_back_work_without_replies(build: Build, version: str) -> None:
    lab = build(Settings(version, ack=False))
    lab.start()
    node = lab.nodes[0]
    node.exabgp.crash()
    lab.wait_for(lab.without(node))
    node.exabgp.start()
    lab.wait_for(lab.converged(), 15)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_rejected_command_is_retried_and_its_vip_not_registered(build: Build, version: str) -> None:
    lab = build(Settings(version), "--neighbor", UNKNOWN_NEIGHBOR)
    lab.launch()
    node = lab.nodes[0]
    pid = node.exabgp.child()
    wait_for(
        "the rejected command is logged repeatedly",
        lambda: (
            [
                f"{UNKNOWN_NEIGHBOR} announce route {node.vip}/32" in line
                for line in node.agent_log().splitlines()
            ].count(True)
            > 1
        ),
    )
    assert node.exabgp.child() == pid
    # No node is registered, so every node tries to take over from the others, which is also rejected.
    orphan = lab.nodes[1].vip
    wait_for(
        "the takeover of another VIP is logged", lambda: f"announce route {orphan}/32" in node.agent_log()
    )
    assert lab.table() == {}


def test_a_frozen_exabgp_blocks_neither_checks_nor_the_store(build: Build) -> None:
    labs = [build(Settings(version)) for version in VERSIONS]
    for lab in labs:
        lab.start()
    since = time.time()
    pids = [lab.nodes[0].exabgp.child() for lab in labs]
    for lab in labs:
        lab.nodes[0].exabgp.pause()
        lab.nodes[0].fails.touch()
    for lab in labs:
        node = lab.nodes[0]
        taken = {other.name: TAKEN for other in lab.nodes[1:]}
        stale = {node.name: 100}
        # The node has deregistered, but the frozen ExaBGP keeps its route.
        lab.wait_for({**lab.converged(), node.vip: {**stale, **taken}})
        node.fails.unlink()
    wait_for("enough time has passed", lambda: time.time() > since + FREEZE_DURATION, FREEZE_DURATION + 5)
    for lab in labs:
        lab.nodes[0].exabgp.resume()
    for lab, pid in zip(labs, pids, strict=True):
        lab.wait_for(lab.converged(), 15)
        assert lab.nodes[0].exabgp.child() == pid
