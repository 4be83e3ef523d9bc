"""The BGP gate with different configurations, and with an ExaBGP that hangs or is slow (E5)."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.exabgp.lab import TAKEN, Lab, Node, Site
from tests.servers.bird import ASN
from tests.servers.exabgp import VERSIONS, Settings
from tests.servers.process import wait_for

GATE_CLOSED = "ExaBGP does not answer, closing the BGP gate"
GATE_OPENED = "ExaBGP answers again"
MIN_HOLD_TIME = 6.0
"""Minimum time in seconds until a switch with a hold time of 9 s removes routes after the last keepalive."""
FREEZE_DURATION = 10
"""Time in seconds for which an agent is frozen."""

Build = Callable[[Settings], Lab]


@pytest.fixture
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Create a lab with a `file` store, and stop it after the test."""
    with ExitStack() as stack:

        def new(settings: Settings) -> Lab:
            store = ("--backend", "file", "--hosts", str(tmp_path_factory.mktemp("store")))
            lab = Lab(tmp_path_factory.mktemp("lab"), Site(settings, store, ("--settle", "0")))
            stack.callback(lab.stop)
            return lab

        yield new


def wait_until_registered(lab: Lab) -> None:
    """Wait until all nodes have logged a registration."""
    for node in lab.nodes:
        wait_for(f"{node.name} has registered", lambda: "register service=" in node.agent_log())  # noqa: B023


def with_takeovers(lab: Lab, node: Node) -> dict[str, dict[str, int | None]]:
    """Return the table in which the other nodes also announce the VIP of a node."""
    taken: dict[str, int | None] = {other.name: TAKEN for other in lab.nodes if other is not node}
    return {**{vip: dict(meds) for vip, meds in lab.converged().items()}, node.vip: {node.name: 100, **taken}}


@pytest.mark.parametrize(
    "conf",
    [
        {"encoder": "text"},
        {"events": False},
        {"encoder": "text", "events": False, "ack": False},
    ],
    ids=["text", "no-events", "text-no-events-no-acks"],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_gate_follows_the_session_with_every_configuration(
    build: Build, version: str, conf: dict[str, Any]
) -> None:
    lab = build(Settings(version, **conf))
    lab.start()
    wait_until_registered(lab)
    lab.switch.disable(lab.nodes[0].name)
    lab.wait_for(lab.without(lab.nodes[0]), 20)
    lab.switch.enable(lab.nodes[0].name)
    lab.wait_for(lab.converged(), 30)


def test_a_node_whose_session_never_comes_up_does_not_register(build: Build) -> None:
    labs = [build(Settings(version)) for version in VERSIONS]
    for lab in labs:
        conf = lab.nodes[0].exabgp.directory / "exabgp.conf"
        text = conf.read_text()
        assert f"peer-as {ASN};" in text
        conf.write_text(text.replace(f"peer-as {ASN};", f"peer-as {ASN + 500};"))
        lab.launch()
    for lab in labs:
        lab.wait_for(lab.without(lab.nodes[0]), 30)
        assert "register service=" not in lab.nodes[0].agent_log()


def test_a_hung_exabgp_is_taken_over_before_the_hold_time_expires(build: Build) -> None:
    labs = [build(Settings(version)) for version in VERSIONS]
    for lab in labs:
        lab.start()
        wait_until_registered(lab)
    since = time.time()
    for lab in labs:
        lab.nodes[0].exabgp.pause()
    for lab in labs:
        node = lab.nodes[0]
        lab.wait_for(with_takeovers(lab, node))
        taken = [change.at for change in lab.changes(since, [node.vip]) if change.added]
        assert min(taken) - since < MIN_HOLD_TIME
        wait_for("enough time has passed", lambda: time.time() > since + 3 * MIN_HOLD_TIME, 4 * MIN_HOLD_TIME)
        node.exabgp.resume()
    for lab in labs:
        lab.wait_for(lab.converged(), 20)
        log = lab.nodes[0].agent_log()
        assert (log.count(GATE_CLOSED), log.count(GATE_OPENED)) == (1, 1)


def test_a_slow_exabgp_is_not_considered_hung(build: Build) -> None:
    labs = [build(Settings(version)) for version in VERSIONS]
    for lab in labs:
        lab.start()
        wait_until_registered(lab)
    since = time.time()
    while time.time() < since + 12:
        for lab in labs:
            lab.nodes[0].exabgp.pause()
        time.sleep(1.0)
        for lab in labs:
            lab.nodes[0].exabgp.resume()
        time.sleep(0.3)
    for lab in labs:
        assert lab.changes(since) == []
        assert GATE_CLOSED not in lab.nodes[0].agent_log()
        assert "deregister service=" not in lab.nodes[0].agent_log()


@pytest.mark.parametrize("whole_machine", [False, True], ids=["agent", "machine"])
def test_a_frozen_agent_does_not_consider_exabgp_hung(build: Build, whole_machine: bool) -> None:
    labs = [build(Settings(version)) for version in VERSIONS]
    for lab in labs:
        lab.start()
        wait_until_registered(lab)
    for lab in labs:
        lab.nodes[0].signal_agent(signal.SIGSTOP)
        if whole_machine:
            lab.nodes[0].exabgp.pause()
    since = time.time()
    wait_for("enough time has passed", lambda: time.time() > since + FREEZE_DURATION, FREEZE_DURATION + 5)
    for lab in labs:
        lab.nodes[0].signal_agent(signal.SIGCONT)
        lab.nodes[0].exabgp.resume()
    for lab in labs:
        lab.wait_for(lab.converged(), 20)
    time.sleep(MIN_HOLD_TIME)
    for lab in labs:
        assert GATE_CLOSED not in lab.nodes[0].agent_log()
