"""A pool with two versions: upgraded from 0.1.0 node by node, then one node is downgraded.

Both versions report the same correct state of all nodes, and no packet is lost.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import plan
from tests.lab.balancer import VIPAGENT
from tests.lab.daemon import ROOT, read
from tests.lab.lab import Lab, begin
from tests.lab.plan import Standby, Tor
from tests.lab.scenarios import NO_LOSS
from tests.lab.side_by_side import unique
from tests.lab.store import PORT
from tests.servers.process import wait_for
from tests.servers.realtime import realtime_priority
from vipagent.store.records import RECORD_VERSION

VERSION = "0.1.0"
IGNORED = ("ignored in the store", "ignoring unknown entries in the store")
"""Log message of each version about unknown entries."""
OPERATOR = "lb2"
"""The machine that runs `vipagent status`."""
BASELINE = ROOT / "tests" / "baseline" / "README.md"
"""Contains the commit of each version."""
RECORDS = f"""
import json
from kazoo.client import KazooClient
store = KazooClient("{plan.STORE}:{PORT}")
store.start()
state = "/exabgp/state/{plan.SERVICE}"
values = {{node: store.get(state + "/" + node)[0] for node in store.get_children(state)}}
print(json.dumps({{node: json.loads(value) for node, value in values.items()}}))
"""
"""Prints the record of each node as JSON."""
TOR_BY_NODE = {name: tor.name for name, tor in zip(plan.VIPS, plan.TORS, strict=True)}
Program = Sequence[str]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The earlier version from the repository, with this interpreter and its libraries."""
    named = re.search(rf"\| `{re.escape(VERSION)}` \| commit (\w+) ", BASELINE.read_text())
    assert named, f"{BASELINE} has no commit for {VERSION}"
    source = tmp_path_factory.mktemp("earlier")
    git = ["git", "-C", str(ROOT), "archive", named[1], "vipagent", "backends", "setup.cfg"]
    archive = subprocess.run(git, capture_output=True, check=False)
    if archive.returncode:
        pytest.fail(
            f"{VERSION} is taken from the project's own repository, and {ROOT} has no commit {named[1]}: "
            f"run this test in a full clone. {archive.stderr.decode().strip()}"
        )
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    _describe(source)
    path = f"PYTHONPATH={source}:{source / 'backends'}"
    return ("env", "PYTHONSAFEPATH=1", path, sys.executable, "-m", "vipagent")


def _describe(source: Path) -> None:
    """Write the metadata of an installation, so that its backends are found first."""
    setup = ConfigParser()
    setup.read(source / "setup.cfg")
    described = source / f"vipagent-{VERSION}.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vipagent\nVersion: {VERSION}\n")
    points = setup["options.entry_points"]["vipagent.backends"]
    (described / "entry_points.txt").write_text(f"[vipagent.backends]{points}\n")


@dataclass(frozen=True)
class Status:
    """Contents of a status, without details, times and events."""

    vips: dict[str, tuple[bool, str | None, list[tuple[str, int, str]]]]
    """Whether it is registered, its owner, and its announcements: node, rank, reason."""
    nodes: dict[str, tuple[str, int]]
    """State and number of neighbours."""
    maintenance: object = None
    ignored: int = 0

    @classmethod
    def by(cls, status: Mapping[str, Any]) -> "Status":
        """Parse the JSON."""
        return cls(
            {
                vip["vip"]: (
                    vip["registered"],
                    vip["owner"],
                    [(by["node"], by["rank"], by["reason"]) for by in vip["announced_by"]],
                )
                for vip in status["vips"]
            },
            {node["node"]: (node["state"], node["neighbors"]) for node in status["nodes"]},
            status["maintenance"],
            status["ignored"],
        )

    @classmethod
    def of_pool(cls, away: str) -> "Status":
        """Return the expected status: all nodes serve their own VIPs, except one in maintenance."""
        takers = [(node, 1, "takeover") for node in plan.VIPS if node != away]
        return cls(
            {
                vip: (False, None, takers) if owner == away else (True, owner, [(owner, 0, "owner")])
                for vip, owner in plan.OWNERS.items()
            },
            {node: ("maintenance-node" if node == away else "serving", 1) for node in plan.VIPS},
        )

    def announced(self) -> dict[str, tuple[bool, set[str]]]:
        """Return whether each VIP is registered, and the switches that it is announced to."""
        return {
            vip: (registered, {TOR_BY_NODE[node] for node, *_ in by})
            for vip, (registered, _, by) in self.vips.items()
        }


class Pool:
    """A lab whose nodes run the earlier or the current version."""

    def __init__(self, lab: Lab, earlier: Program) -> None:
        self.lab = lab
        self.earlier = earlier
        self._measured = time.time()
        """End of the last interval in which packets were counted."""

    def agree(self, away: str = "") -> None:
        """Wait until both versions report exactly the same, and that is the actual state."""
        expected, reported = Status.of_pool(away), {}

        def agreed() -> bool:
            reported["actual"] = self._announced()
            reported["earlier"], reported["current"] = map(self._status, (self.earlier, VIPAGENT))
            current = Status.by(reported["current"])
            return (
                reported["earlier"] == reported["current"]
                and current == expected
                and reported["actual"] == current.announced()
            )

        try:
            self.lab.wait_until("both versions report the actual state", agreed)
        except AssertionError as error:
            raise AssertionError(f"{json.dumps(reported, default=str)}; {error}") from None
        assert self._records() == {node: self._written_by(node) for node in plan.VIPS}

    def end_agent(self, node: str, program: Program, number: signal.Signals) -> None:
        """End only the agent; ExaBGP starts the other version."""
        balancer = self.lab.balancers[node]
        before = balancer.agent()
        balancer.install(program)
        balancer.signal_agent(number)
        wait_for("ExaBGP has restarted the agent", lambda: balancer.agent() != before)

    def restart_exabgp(self, node: str, program: Program) -> None:
        """Drain the node, restart ExaBGP with the other version, end the maintenance: both share the key."""
        balancer = self.lab.balancers[node]
        balancer.vipagent("maintenance", "on", plan.SERVICE, "--node", node, "--wait")
        self.agree(away=node)
        balancer.exabgp.signal(signal.SIGTERM)
        balancer.exabgp.wait()
        balancer.install(program)
        balancer.exabgp.start()
        balancer.vipagent("maintenance", "off", plan.SERVICE, "--node", node)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Verify that the final state is the initial one, and that no VIP is unserved in between."""
        with realtime_priority(self.lab.network.pids):
            yield
            self.lab.wait_until_converged()
            self.agree()
        began, self._measured = self._measured, time.time()
        outages = self.lab.probes.outages(began, self._measured)
        worst = max(outages, key=lambda vip: outages[vip].longest)
        assert outages[worst].longest <= NO_LOSS.tolerated, f"{worst}: {outages[worst]}\n{self.lab.report()}"

    def ignored_entries(self) -> list[str]:
        """Return the log lines about unknown entries in the store."""
        logs = [balancer.log for balancer in self.lab.balancers.values()]
        return [
            line for log in logs for line in read(log).splitlines() if any(text in line for text in IGNORED)
        ]

    def _status(self, program: Program) -> dict[str, Any]:
        """Return the output of a version's `vipagent status`."""
        output = self.lab.balancers[OPERATOR].vipagent("status", plan.SERVICE, "--json", program=program)
        [service] = json.loads(output)
        return dict(service)

    def _announced(self) -> dict[str, tuple[bool, set[str]]]:
        """Return whether each VIP is registered, and the switches that announce it."""
        registered, paths = self.lab.store.registered(), self.lab.paths()
        return {vip: (vip in registered, set(paths.get(vip, {}))) for vip in plan.OWNERS}

    def _records(self) -> dict[str, int]:
        """Return the version of each node's record."""
        reader = self.lab.network.inside("store", [sys.executable, "-c", RECORDS])
        records = json.loads(subprocess.run(reader, stdout=subprocess.PIPE, check=True).stdout)
        return {node: record.get("version", 1) for node, record in records.items()}

    def _written_by(self, node: str) -> int:
        return RECORD_VERSION if self.lab.balancers[node].program is VIPAGENT else 1


@pytest.fixture
def pool(earlier: Program) -> Iterator[Pool]:
    """Three nodes of the earlier version, after `settle`."""
    lab = begin(unique(Standby.COLD, Tor.BIRD), earlier)
    yield Pool(lab, earlier)
    lab.down()


def test_a_pool_is_upgraded_node_by_node_and_one_node_is_downgraded(pool: Pool) -> None:
    """Uses each procedure of docs/operations/upgrade.md."""
    pool.agree()
    with pool.changing():
        pool.end_agent("lb1", VIPAGENT, signal.SIGTERM)
    with pool.changing():
        pool.restart_exabgp("lb2", VIPAGENT)
    with pool.changing():
        pool.end_agent("lb3", VIPAGENT, signal.SIGKILL)
    with pool.changing():
        pool.restart_exabgp("lb1", pool.earlier)
    assert pool.ignored_entries() == []
