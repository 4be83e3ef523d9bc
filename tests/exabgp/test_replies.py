"""ExaBGPs that acknowledge, that do not, that refuse, and one that does not read for a while (E1, E4, G1)."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.exabgp.lab import TAKEN, Lab, Site
from tests.servers.exabgp import VERSIONS, Settings
from tests.servers.process import wait_for

STUCK = 30
"""Seconds for which an ExaBGP does not read its pipes."""
NOBODY = "127.0.0.77"
"""No neighbour of any ExaBGP here: a command for it is answered with `error`."""

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
    lab.wait_for(lab.steady(), 15)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_exabgp_refuses_is_retried_and_never_registered(build: Build, version: str) -> None:
    lab = build(Settings(version), "--neighbor", NOBODY)
    lab.launch()
    node = lab.nodes[0]
    pid = node.exabgp.child()
    wait_for(
        "the refused command is in the log, more than once",
        lambda: (
            [f"{NOBODY} announce route {node.vip}/32" in line for line in node.said().splitlines()].count(
                True
            )
            > 1
        ),
    )
    assert node.exabgp.child() == pid
    # No node is registered, so every node tries to take over from the others, which is also rejected.
    orphan = lab.nodes[1].vip
    wait_for("others see no registration", lambda: f"announce route {orphan}/32" in node.said())
    assert lab.table() == {}


def test_a_stuck_exabgp_blocks_neither_checks_nor_the_store(build: Build) -> None:
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
        lab.wait_for({**lab.steady(), node.vip: {**stale, **taken}})  # it deregistered; its route is stuck
        node.fails.unlink()
    wait_for("enough time has passed", lambda: time.time() > since + STUCK, STUCK + 5)
    for lab in labs:
        lab.nodes[0].exabgp.resume()
    for lab, pid in zip(labs, pids, strict=True):
        lab.wait_for(lab.steady(), 15)
        assert lab.nodes[0].exabgp.child() == pid
