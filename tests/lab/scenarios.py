"""Scenarios of the lab, with the bounds of the time that a VIP may be unserved."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tests.lab import faults
from tests.lab.lab import Lab
from tests.lab.plan import HOLD, SESSION, Plan, Standby

NOISE = 0.5
"""Tolerance in seconds for a busy machine, in addition to 10 %."""
HICCUP = 0.2
"""Tolerance in seconds where no loss is expected."""

Act = Callable[[Lab], faults.Caused | None]
"""Causes a fault; it begins with the call unless the result says otherwise."""


class Served(Enum):
    """Nodes that serve the victim's VIPs after the fault."""

    SAME = "the victim, as before"
    OTHERS = "the others"
    NOBODY = "no node, for all VIPs"


@dataclass(frozen=True, slots=True)
class Bound:
    """Maximum time for which a VIP may be unserved."""

    words: str
    seconds: float
    noticed: bool = False
    """Whether it is relative to the detection by the agent (`Scenario.notice`, `Caused.noticed`)."""
    total: bool = False
    """Whether all interruptions are added up; otherwise the longest one counts."""

    @property
    def tolerated(self) -> float:
        """The bound in seconds, with tolerance for a busy machine."""
        return self.seconds * 1.1 + NOISE if self.seconds else HICCUP


NO_LOSS = Bound("0 lost", 0.0)
CONVERGED = Bound("20 ms", 0.02)
NEIGHBOR_DOWN = Bound("1 s", 1.0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table."""

    name: str
    title: str
    act: Act
    undo: Callable[[Lab], None]
    served: Served
    cold: Bound
    hot: Bound
    hold: float = 3.0
    """Minimum time in seconds between fault and repair."""
    notice: str = ""
    """Log line of the victim's agent at detection or return."""
    rest: float = 0.0
    """Time in seconds afterwards in which agents settle and take nothing over (L3)."""
    exazk: str = ""
    """Result of ExaZK, the predecessor, in a similar lab with sessions of 10 s."""
    mended: str = ""
    """Title of the repair, if it has a separate row."""

    at_two: Bound | None = None
    """Bound if the node has two neighbours, one of which is not affected, so that it continues to serve."""

    def bound(self, planned: Plan) -> Bound:
        """Return the bound for a lab of this kind."""
        if planned.neighbors > 1 and self.at_two:
            return self.at_two
        return self.cold if planned.standby is Standby.COLD else self.hot

    def served_by(self, planned: Plan) -> Served:
        """Return the nodes that serve the victim's VIPs in a lab of this kind."""
        return Served.SAME if planned.neighbors > 1 and self.at_two else self.served


SCENARIOS = (
    Scenario(
        "crash",
        "kill -9 of ExaBGP and agent together",
        faults.crash,
        faults.start_exabgp,
        Served.OTHERS,
        cold=Bound("session + 0.5 s", SESSION + 0.5),
        hot=CONVERGED,
        exazk="8.8 s",
    ),
    Scenario(
        "crash-back-1s",
        "the same, both started again after 1 s",
        faults.crash_and_start,
        faults.nothing,
        Served.SAME,
        cold=Bound("1 s + agent's start + 200 ms", 0.2, noticed=True),
        hot=CONVERGED,
    ),
    Scenario(
        "exabgp-killed",
        "kill -9 of ExaBGP alone",
        faults.kill_exabgp,
        faults.start_exabgp,
        Served.OTHERS,
        cold=Bound("300 ms", 0.3),
        hot=CONVERGED,
    ),
    Scenario(
        "agent-killed",
        "kill -9 of the agent alone, respawned",
        faults.kill_agent,
        faults.nothing,
        Served.SAME,
        cold=NO_LOSS,
        hot=NO_LOSS,
        notice="register service",
    ),
    Scenario(
        "agent-terminated",
        "SIGTERM to the agent alone, respawned",
        faults.terminate_agent,
        faults.nothing,
        Served.SAME,
        cold=NO_LOSS,
        hot=NO_LOSS,
        notice="register service",
    ),
    Scenario(
        "exabgp-hangs",
        "ExaBGP hangs for 60 s (SIGSTOP), then continues",
        faults.hang_exabgp,
        faults.continue_exabgp,
        Served.OTHERS,
        cold=NO_LOSS,
        hot=NO_LOSS,
        hold=60.0,
        notice="ExaBGP does not answer",
    ),
    Scenario(
        "link-down",
        "cable of one node out, store reachable, gate on",
        faults.unplug_switch,
        faults.plug_switch,
        Served.OTHERS,
        cold=NEIGHBOR_DOWN,
        hot=CONVERGED,
        at_two=CONVERGED,
        exazk="unserved until the link was repaired",
    ),
    Scenario(
        "link-set-down",
        "`ip link set down` on one node, store reachable",
        faults.set_interface_down,
        faults.set_interface_up,
        Served.OTHERS,
        cold=NEIGHBOR_DOWN,
        hot=CONVERGED,
        at_two=CONVERGED,
    ),
    Scenario(
        "link-silent",
        "silent loss on that link",
        faults.silence_switch,
        faults.restore_switch,
        Served.OTHERS,
        cold=Bound("hold time + 1 s", HOLD + 1.0),
        hot=Bound("hold time", float(HOLD)),
        at_two=Bound("hold time", float(HOLD)),
        hold=HOLD + 3.0,
        notice="reason=no-bgp",
        exazk="unserved until repaired",
    ),
    Scenario(
        "store-cut-5",
        "node loses the store for 5 s",
        faults.cut_store,
        faults.restore_store,
        Served.SAME,
        cold=NO_LOSS,
        hot=NO_LOSS,
        hold=5.0,
        exazk="never handed back",
    ),
    Scenario(
        "store-cut-30",
        "node loses the store for 30 s",
        faults.cut_store,
        faults.restore_store,
        Served.SAME,
        cold=NO_LOSS,
        hot=NO_LOSS,
        hold=30.0,
        exazk="never handed back",
    ),
    Scenario(
        "store-dead-5",
        "store down for 5 s",
        faults.kill_store,
        faults.start_store,
        Served.SAME,
        cold=NO_LOSS,
        hot=NO_LOSS,
        hold=5.0,
        rest=SESSION,
        exazk="all VIPs unserved for 50 s",
    ),
    Scenario(
        "store-dead-40",
        "store down for 40 s",
        faults.kill_store,
        faults.start_store,
        Served.SAME,
        cold=NO_LOSS,
        hot=NO_LOSS,
        hold=40.0,
        rest=SESSION,
        exazk="all VIPs unserved for 50 s",
    ),
    Scenario(
        "service-fails",
        "local service fails (interval 1, fast 0.5, fall 2)",
        faults.kill_service,
        faults.start_service,
        Served.OTHERS,
        cold=Bound("detection + 100 ms", 0.1, noticed=True),
        hot=Bound("detection + 20 ms", 0.02, noticed=True),
        notice="state=down",
        exazk="11 to 20 s",
        mended="local service recovers",
    ),
    Scenario(
        "service-flaps",
        f"local service flaps every {faults.FLAP_PERIOD:.0f} s, {faults.FLAPS} times, with flap_hold",
        faults.flap_service,
        faults.remove_flap_hold,
        Served.OTHERS,
        cold=Bound("3 times detection + 100 ms", 0.3, noticed=True, total=True),
        hot=Bound("3 times detection + 20 ms", 0.06, noticed=True, total=True),
    ),
    Scenario(
        "node-maintenance",
        "maintenance of one node, on and off",
        faults.drain_node,
        faults.end_drain,
        Served.OTHERS,
        cold=NO_LOSS,
        hot=NO_LOSS,
        exazk="0 to 60 ms, 11 s late",
    ),
    Scenario(
        "service-maintenance",
        "maintenance of the service",
        faults.stop_service,
        faults.resume_service,
        Served.NOBODY,
        cold=Bound("all withdrawn within 1 s", 1.0),
        hot=Bound("all withdrawn within 1 s", 1.0),
        rest=SESSION,
    ),
    Scenario(
        "exabgp-terminated",
        "SIGTERM to ExaBGP",
        faults.terminate_exabgp,
        faults.start_exabgp,
        Served.OTHERS,
        cold=Bound("300 ms", 0.3),
        hot=CONVERGED,
        exazk="200 ms",
    ),
    Scenario(
        "agent-stopped",
        "agent stopped for 20 s (SIGSTOP), then continued",
        faults.stop_agent,
        faults.continue_agent,
        Served.SAME,
        cold=NO_LOSS,
        hot=NO_LOSS,
        hold=20.0,
        exazk="never handed back",
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
