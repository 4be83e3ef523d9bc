"""SIGTERM or SIGINT only to the agent: the other nodes announce before it withdraws (E3)."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.exabgp.lab import Lab, Site, never_without_route
from tests.servers.bird import Change
from tests.servers.exabgp import VERSIONS, Settings
from tests.servers.process import wait_for

SHUTDOWN_TIMEOUT = 2.0
"""Maximum time in seconds until an agent has exited."""
REGISTERED = " register service="
MIN_OVERLAP = 0.4
"""Minimum time in seconds for the other nodes to announce: 0.5, minus ExaBGP's delay of the first change."""
MAX_ATTEMPTS = 3
"""Maximum number of attempts, because the others may be late on a busy machine."""
TOLERANCE = 3.0
"""Tolerance in seconds for a busy machine."""

Build = Callable[[str], Lab]


@pytest.fixture
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Create a lab with a `file` store, and stop it after the test."""
    with ExitStack() as stack:

        def new(version: str) -> Lab:
            store = ("--backend", "file", "--hosts", str(tmp_path_factory.mktemp("store")))
            lab = Lab(tmp_path_factory.mktemp("lab"), Site(Settings(version), store, ("--settle", "0")))
            stack.callback(lab.stop)
            return lab

        yield new


def has_exited(pid: int) -> bool:
    """Return whether a process has exited, or is a zombie of a stopped parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def restart_agent(lab: Lab, number: signal.Signals) -> list[Change]:
    """Stop an agent with a signal, wait for the next one, and return the changes in the meantime."""
    node = lab.nodes[0]
    pid, since, registered = node.exabgp.child(), time.time(), node.agent_log().count(REGISTERED)
    node.signal_agent(number)
    wait_for("the agent has exited", lambda: has_exited(pid), SHUTDOWN_TIMEOUT + TOLERANCE, every=0.02)
    wait_for("a new one is running", lambda: node.exabgp.child() != pid)
    wait_for("it has registered", lambda: node.agent_log().count(REGISTERED) > registered, 30)
    lab.wait_for(lab.converged(), 20)
    return lab.changes(since, [node.vip])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_vip_is_never_without_a_route(build: Build, version: str, number: signal.Signals) -> None:
    lab = build(version)
    lab.start()
    for node in lab.nodes:
        wait_for("it has registered", lambda: REGISTERED in node.agent_log())  # noqa: B023
    attempts = []
    for _ in range(MAX_ATTEMPTS):
        changes = restart_agent(lab, number)
        own = [change for change in changes if change.peer == lab.nodes[0].name]
        assert [change.added for change in own[:2]] == [True, False], (
            "it must be announced at the lowest rank, then withdrawn"
        )
        assert own[1].at - own[0].at >= MIN_OVERLAP
        attempts.append(never_without_route(changes, [lab.nodes[0].name]))
        if attempts[-1]:
            return
    raise AssertionError(f"the VIP had a gap in each of {MAX_ATTEMPTS} attempts: {attempts}")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_hung_exabgp_does_not_delay_the_shutdown(build: Build, version: str) -> None:
    lab = build(version)
    lab.start()
    node = lab.nodes[0]
    pid = node.exabgp.child()
    node.exabgp.pause()
    since = time.monotonic()
    node.signal_agent(signal.SIGTERM)
    wait_for("the agent has exited", lambda: has_exited(pid), SHUTDOWN_TIMEOUT + TOLERANCE, every=0.02)
    assert time.monotonic() - since < SHUTDOWN_TIMEOUT + TOLERANCE
