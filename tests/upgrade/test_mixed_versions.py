"""A pool of two versions: 0.1.0 beside the present one, node by node to it, and one node back.

Each version tells the same of all nodes, and that is true; no packet is lost for it.
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
"""Log message of each version about entries that it does not know."""
OPERATOR = "lb2"
"""Where the status is asked for."""
BASELINE = ROOT / "tests" / "baseline" / "README.md"
"""It names the commit of each version."""
RECORDS = f"""
import json
from kazoo.client import KazooClient
store = KazooClient("{plan.STORE}:{PORT}")
store.start()
state = "/exabgp/state/{plan.SERVICE}"
values = {{node: store.get(state + "/" + node)[0] for node in store.get_children(state)}}
print(json.dumps({{node: json.loads(value) for node, value in values.items()}}))
"""
"""Prints the record of each node."""
Program = Sequence[str]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The earlier version out of the repository, for this very interpreter and its libraries."""
    named = re.search(rf"\| `{re.escape(VERSION)}` \| commit (\w+) ", BASELINE.read_text())
    assert named, f"{BASELINE} names no commit for {VERSION}"
    source = tmp_path_factory.mktemp("earlier")
    git = ["git", "-C", str(ROOT), "archive", named[1], "vipagent", "backends", "setup.cfg"]
    archive = subprocess.run(git, capture_output=True, check=False)
    if archive.returncode:
        pytest.fail(
            f"{VERSION} is taken from the project's own repository, and {ROOT} has no commit {named[1]}: "
            f"run this test in a whole clone of it. {archive.stderr.decode().strip()}"
        )
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    _describe(source)
    path = f"PYTHONPATH={source}:{source / 'backends'}"
    return ("env", "PYTHONSAFEPATH=1", path, sys.executable, "-m", "vipagent")


def _describe(source: Path) -> None:
    """Write what an installation would, so that its own backends are found before the present ones."""
    setup = ConfigParser()
    setup.read(source / "setup.cfg")
    described = source / f"vipagent-{VERSION}.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vipagent\nVersion: {VERSION}\n")
    points = setup["options.entry_points"]["vipagent.backends"]
    (described / "entry_points.txt").write_text(f"[vipagent.backends]{points}\n")


@dataclass(frozen=True)
class Said:
    """What a status says, without reasons, times, and the past."""

    vips: dict[str, tuple[bool, str | None, list[tuple[str, int, str]]]]
    """Whether it is registered, its owner, and who announces it: node, rank, reason."""
    nodes: dict[str, tuple[str, int]]
    """State, and neighbours."""
    maintenance: object = None
    ignored: int = 0

    @classmethod
    def by(cls, status: Mapping[str, Any]) -> "Said":
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
    def of_pool(cls, away: str) -> "Said":
        """Return what must be said while all nodes serve what they own, but one that is in maintenance."""
        takers = [(node, 1, "takeover") for node in plan.VIPS if node != away]
        return cls(
            {
                vip: (False, None, takers) if owner == away else (True, owner, [(owner, 0, "owner")])
                for vip, owner in plan.OWNERS.items()
            },
            {node: ("maintenance-node" if node == away else "serving", 1) for node in plan.VIPS},
        )

    def announced(self) -> dict[str, tuple[bool, set[str]]]:
        """Return, of each VIP, whether it is registered, and the switches that it is announced to."""
        return {
            vip: (registered, {plan.uplink(node).upper for node, *_ in by})
            for vip, (registered, _, by) in self.vips.items()
        }


class Pool:
    """A lab whose nodes run the earlier version or the present one."""

    def __init__(self, lab: Lab, earlier: Program) -> None:
        self.lab = lab
        self.earlier = earlier
        self._measured = time.time()
        """Until when packets have been counted."""

    def agree(self, away: str = "") -> None:
        """Wait until both versions say the same, to the last word, and that is true."""
        wanted, said = Said.of_pool(away), {}

        def agreed() -> bool:
            said["in fact"] = self._announced()
            said["earlier"], said["present"] = map(self._status, (self.earlier, VIPAGENT))
            told = Said.by(said["present"])
            return (
                said["earlier"] == said["present"] and told == wanted and said["in fact"] == told.announced()
            )

        try:
            self.lab.wait_until("both versions say what is true", agreed)
        except AssertionError as error:
            raise AssertionError(f"{json.dumps(said, default=str)}; {error}") from None
        assert self._records() == {node: self._written_by(node) for node in plan.VIPS}

    def end_agent(self, node: str, program: Program, number: signal.Signals) -> None:
        """End the agent alone: ExaBGP starts the other version."""
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

    def complaints(self) -> list[str]:
        """Return what agents have logged about entries of the store that they cannot make sense of."""
        logs = [balancer.log for balancer in self.lab.balancers.values()]
        return [
            line for log in logs for line in read(log).splitlines() if any(text in line for text in IGNORED)
        ]

    def _status(self, program: Program) -> dict[str, Any]:
        """Return what a version's command says."""
        said = self.lab.balancers[OPERATOR].vipagent("status", plan.SERVICE, "--json", program=program)
        [service] = json.loads(said)
        return dict(service)

    def _announced(self) -> dict[str, tuple[bool, set[str]]]:
        """Return, of each VIP, whether it is registered, and the switches by which the fabric has it."""
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
    """Three nodes of the earlier version, settled."""
    lab = begin(unique(Standby.COLD, Tor.BIRD), earlier)
    yield Pool(lab, earlier)
    lab.down()


def test_a_pool_is_upgraded_node_by_node_and_one_node_goes_back(pool: Pool) -> None:
    """In each of the ways that docs/operations/upgrade.md names."""
    pool.agree()
    with pool.changing():
        pool.end_agent("lb1", VIPAGENT, signal.SIGTERM)
    with pool.changing():
        pool.restart_exabgp("lb2", VIPAGENT)
    with pool.changing():
        pool.end_agent("lb3", VIPAGENT, signal.SIGKILL)
    with pool.changing():
        pool.restart_exabgp("lb1", pool.earlier)
    assert pool.complaints() == []
