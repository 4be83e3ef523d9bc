"""One lab: all machines of a plan, with their processes."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.lab import plan
from tests.lab.balancer import VIPAGENT, Balancer
from tests.lab.daemon import kill, read
from tests.lab.network import Network
from tests.lab.plan import Plan, Standby, Tor
from tests.lab.probes import Probes
from tests.lab.store import Store
from tests.lab.switches import BirdSwitch, switches
from tests.servers.process import wait_for
from vipagent.core.preference import order

LINES = 60
"""Number of lines of each log in a report."""
Marks = dict[Path, int]
"""Size of each log in bytes."""
CONVERGENCE_TIMEOUT = 60.0
"""Timeout in seconds for convergence after a fault."""
COLD_START = 120.0
"""Timeout in seconds for the start, in parallel with other labs."""


class Lab:
    """A network that outlives this object: objects of the same plan refer to the same lab."""

    def __init__(self, planned: Plan, program: Sequence[str] = VIPAGENT) -> None:
        self.plan = planned
        self.network = Network(planned)
        self.directory = home(planned.name)
        self.switches = switches(self.network, self.directory)
        self.balancers = {
            machine.name: Balancer(machine, self.network, self.directory, program)
            for machine in plan.BALANCERS
        }
        self.store = Store(self.network, self.directory)
        self.probes = Probes(self.network, self.directory)

    def up(self) -> None:
        """Start all processes; remove the lab on errors."""
        if self.network.exists() or self.directory.exists():
            raise FileExistsError(f"lab {self.plan.name} is up: choose another name, or take it down first")
        try:
            self.directory.mkdir()
            (self.directory / "plan.json").write_text(json.dumps(asdict(self.plan)))
            self.network.up()
            for switch in self.switches.values():
                switch.start()
            self.probes.daemon.start()
            self.store.start()
            for balancer in self.balancers.values():
                balancer.start()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Stop all processes, and remove all machines and files."""
        wait_for("all processes of the lab have ended", self._ended, 20)
        self.network.down()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _ended(self) -> bool:
        left = self.network.pids()
        for pid in left:
            kill(pid)
        return not left

    def wait_until(self, what: str, probe: Callable[[], object], within: float = CONVERGENCE_TIMEOUT) -> None:
        """Wait for a condition; on a timeout, report the logs of the agents."""

        def probed() -> object:
            assert self.directory.exists(), "it was taken down"
            return probe()

        try:
            wait_for(what, probed, within, every=0.1)
        except AssertionError as error:
            raise AssertionError(f"lab {self.plan.name}: {error}\n{self.report()}") from None

    def wait_until_converged(self, within: float = CONVERGENCE_TIMEOUT) -> None:
        """Wait until each node serves, announces and has registered exactly its own VIPs."""
        why = ""

        def converged() -> bool:
            nonlocal why
            why = self.deviation()
            return not why

        try:
            self.wait_until("the lab has converged", converged, within)
        except AssertionError as error:
            raise AssertionError(f"{why}; {error}") from None

    def deviation(self) -> str:
        """Return the deviations from the steady state; empty if there are none."""
        serving = self.probes.serving()
        paths = self.paths()
        registered = self.store.registered()
        for vip, owner in plan.OWNERS.items():
            if vip not in registered:
                return f"{vip} is not registered"
            if paths.get(vip, {}).keys() != self._announcers(vip):
                return f"{vip} is announced to agg1 by {paths.get(vip)}"
            if serving.get(vip) != owner:
                return f"{vip} is served by {serving.get(vip) or 'no node, or by several'}"
        return ""

    def paths(self) -> dict[str, dict[str, int]]:
        """Return, for each VIP at agg1, the length of the AS path through each ToR."""
        agg1 = self.switches["agg1"]
        assert isinstance(agg1, BirdSwitch)
        tors = {tor.name for tor in plan.TORS}
        learned = {prefix.partition("/")[0]: routes for prefix, routes in agg1.routes().items()}
        return {
            vip: {route.peer: len(route.as_path) for route in routes if route.peer in tors}
            for vip, routes in learned.items()
            if vip in plan.OWNERS
        }

    def report(self, since: Marks | None = None) -> str:
        """Return the logs of agents and switches since some marks; default: their last lines."""
        starts = {log: (since or {}).get(log, 0) for log in self._logs()}
        lasts = {log.name: "\n".join(read(log, start).splitlines()[-LINES:]) for log, start in starts.items()}
        return "\n".join(f"--- {name}:\n{text}" for name, text in lasts.items())

    def marks(self) -> Marks:
        """Return the size of each log."""
        return {log: log.stat().st_size for log in self._logs() if log.exists()}

    def _logs(self) -> list[Path]:
        agents = [balancer.log for balancer in self.balancers.values()]
        return agents + [switch.log for switch in self.switches.values()]

    def _announcers(self, vip: str) -> set[str]:
        """Return the ToR switches that announce a VIP to the aggregation switches.

        A switch announces its best path only. That of the second standby is as long as the owner's through
        the fabric, which has the better ORIGIN (A3).
        """
        names = list(plan.VIPS)
        ranked = [plan.OWNERS[vip], *(names[number] for number in order(tuple(plan.VIPS.values()), vip))]
        seen = {Standby.COLD: 1, Standby.HOT: 2, Standby.NO_PREPEND: len(names)}[self.plan.standby]
        return {link.upper for name in ranked[:seen] for link in self.plan.links(name)}


def begin(planned: Plan, program: Sequence[str] = VIPAGENT) -> Lab:
    """Start a lab, and return it in its converged state, its agents settled (L3)."""
    lab = Lab(planned, program)
    lab.up()
    try:
        lab.wait_until_converged(COLD_START)
        time.sleep(plan.SESSION)
    except BaseException:
        lab.down()
        raise
    return lab


def home(name: str) -> Path:
    """Return the directory of a lab of this name."""
    return Path(tempfile.gettempdir()) / f"vipagent-lab-{name}"


def running(name: str) -> Lab:
    """Return the lab of this name that is up.

    Raises:
        FileNotFoundError: there is none.
    """
    try:
        stored = json.loads((home(name) / "plan.json").read_text())
    except FileNotFoundError:
        start = f"python -m tests.lab up --name {name}"
        raise FileNotFoundError(f"there is no lab {name}: start it with `{start}`") from None
    return Lab(
        Plan(stored["name"], Standby(stored["standby"]), Tor(stored["tor"]), stored["neighbors"]),
    )
