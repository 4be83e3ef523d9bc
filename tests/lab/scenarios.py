"""Scenarios of the lab, with the bounds of the time that a VIP may be unserved."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tests.lab import faults
from tests.lab.lab import Lab
from tests.lab.plan import HOLD, SESSION, Standby

NOISE = 0.5
"""Tolerance in seconds for a busy machine, in addition to 10 %."""
HICCUP = 0.2
"""Tolerance in seconds where no loss is expected."""

Act = Callable[[Lab], float | None]
"""Causes a fault; may return its start time, by default the time of the call."""


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
    """Whether it is relative to the detection by the agent (`Scenario.notice`)."""

    @property
    def tolerated(self) -> float:
        """The bound in seconds, with tolerance for a busy machine."""
        return self.seconds * 1.1 + NOISE if self.seconds else HICCUP


NO_LOSS = Bound("0 lost", 0.0)
CONVERGED = Bound("20 ms", 0.02)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table."""

    name: str
    title: str
    act: Act
    undo: Act
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

    def bound(self, standby: Standby) -> Bound:
        """Return the bound for a lab of this kind."""
        return self.cold if standby is Standby.COLD else self.hot


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
        "BGP link of one node down, store reachable, gate on",
        faults.unplug_switch,
        faults.plug_switch,
        Served.OTHERS,
        cold=Bound("1 s after ExaBGP reports it", 1.0, noticed=True),
        hot=CONVERGED,
        notice="established=False",
        exazk="unserved until the link was repaired",
    ),
    Scenario(
        "link-silent",
        "silent loss on that link",
        faults.silence_switch,
        faults.restore_switch,
        Served.OTHERS,
        cold=Bound("hold time + 1 s", HOLD + 1.0),
        hot=Bound("hold time", float(HOLD)),
        notice="established=False",
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
