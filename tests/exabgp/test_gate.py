"""The BGP gate with all kinds of exabgp.conf, and with an ExaBGP that hangs or is busy (E5)."""

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

CLOSED = "ExaBGP does not answer, closing the BGP gate"
OPENED = "ExaBGP answers again"
BEFORE_HOLD = 6.0
"""Minimum time in seconds until a switch with a hold time of 9 s removes routes after the last keepalive."""
PAUSE = 10
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
    for node in lab.nodes:
        wait_for(f"{node.name} has registered", lambda: "register service=" in node.said())  # noqa: B023


def beside(lab: Lab, node: Node) -> dict[str, dict[str, int | None]]:
    """Return the table in which the others also announce the VIP of a node."""
    taken: dict[str, int | None] = {other.name: TAKEN for other in lab.nodes if other is not node}
    return {**{vip: dict(by) for vip, by in lab.steady().items()}, node.vip: {node.name: 100, **taken}}


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
def test_it_closes_and_opens_with_every_kind_of_configuration(
    build: Build, version: str, conf: dict[str, Any]
) -> None:
    lab = build(Settings(version, **conf))
    lab.start()
    wait_until_registered(lab)
    lab.switch.disable(lab.nodes[0].name)
    lab.wait_for(lab.without(lab.nodes[0]), 20)
    lab.switch.enable(lab.nodes[0].name)
    lab.wait_for(lab.steady(), 30)


def test_a_session_that_never_comes_up_leaves_the_vip_to_the_others(build: Build) -> None:
    labs = [build(Settings(version)) for version in VERSIONS]
    for lab in labs:
        conf = lab.nodes[0].exabgp.directory / "exabgp.conf"
        text = conf.read_text()
        assert f"peer-as {ASN};" in text
        conf.write_text(text.replace(f"peer-as {ASN};", f"peer-as {ASN + 500};"))
        lab.launch()
    for lab in labs:
        lab.wait_for(lab.without(lab.nodes[0]), 30)
        assert "register service=" not in lab.nodes[0].said()


def test_a_hung_exabgp_leaves_the_vip_to_the_others_before_the_switch_notices(build: Build) -> None:
    labs = [build(Settings(version)) for version in VERSIONS]
    for lab in labs:
        lab.start()
        wait_until_registered(lab)
    since = time.time()
    for lab in labs:
        lab.nodes[0].exabgp.pause()
    for lab in labs:
        node = lab.nodes[0]
        lab.wait_for(beside(lab, node))
        taken = [change.at for change in lab.changes(since, [node.vip]) if change.added]
        assert min(taken) - since < BEFORE_HOLD
        wait_for("enough time has passed", lambda: time.time() > since + 3 * BEFORE_HOLD, 4 * BEFORE_HOLD)
        node.exabgp.resume()
    for lab in labs:
        lab.wait_for(lab.steady(), 20)
        said = lab.nodes[0].said()
        assert (said.count(CLOSED), said.count(OPENED)) == (1, 1)


def test_an_exabgp_that_is_busy_and_answers_late_is_not_hung(build: Build) -> None:
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
        assert CLOSED not in lab.nodes[0].said()
        assert "deregister service=" not in lab.nodes[0].said()


@pytest.mark.parametrize("whole_machine", [False, True], ids=["agent", "machine"])
def test_an_agent_that_was_paused_does_not_take_exabgp_for_hung(build: Build, whole_machine: bool) -> None:
    labs = [build(Settings(version)) for version in VERSIONS]
    for lab in labs:
        lab.start()
        wait_until_registered(lab)
    for lab in labs:
        lab.nodes[0].signal_agent(signal.SIGSTOP)
        if whole_machine:
            lab.nodes[0].exabgp.pause()
    since = time.time()
    wait_for("enough time has passed", lambda: time.time() > since + PAUSE, PAUSE + 5)
    for lab in labs:
        lab.nodes[0].signal_agent(signal.SIGCONT)
        lab.nodes[0].exabgp.resume()
    for lab in labs:
        lab.wait_for(lab.steady(), 20)
    time.sleep(BEFORE_HOLD)
    for lab in labs:
        assert CLOSED not in lab.nodes[0].said()
