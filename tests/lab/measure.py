"""Run one scenario on a lab, and measure its effect on the clients."""

import time
from dataclasses import dataclass, replace

from tests.lab import faults, plan
from tests.lab.daemon import read
from tests.lab.lab import Lab, Marks
from tests.lab.plan import Plan
from tests.lab.runs import Outage, last_answer
from tests.lab.scenarios import NO_LOSS, Bound, Scenario, Served
from tests.servers.process import wait_for
from tests.servers.realtime import realtime_priority


@dataclass(frozen=True, slots=True)
class Measured:
    """Result of one run of a scenario. All times are in seconds."""

    scenario: Scenario
    plan: Plan
    noticed: float
    """Time from the fault to its detection by the agent, if the scenario defines it; otherwise 0."""
    figure: float
    """Longest time that a VIP was unserved, or the sum of these times, as the bound requires; if all must be
    withdrawn, time until the last one was.
    """
    lost: int
    """Lost packets of the most affected VIP."""
    returning: float
    """The longest interruption after the repair."""
    returning_lost: int
    answered: frozenset[str]
    """Nodes that replied for that VIP between fault and repair."""
    evidence: str = ""
    """Logs of the run, if a bound was exceeded."""

    @property
    def bound(self) -> Bound:
        """The bound."""
        return self.scenario.bound(self.plan)

    @property
    def counted(self) -> float:
        """The measured time, relative to the bound."""
        return max(0.0, self.figure - self.noticed) if self.bound.noticed else self.figure

    @property
    def failures(self) -> list[str]:
        """Exceeded bounds, with tolerance for a busy machine."""
        found = []
        if self.counted > self.bound.tolerated:
            found.append(f"{self.scenario.title}: {self.counted * 1000:.0f} ms; {self.bound.words}")
        if self.returning > NO_LOSS.tolerated:
            found.append(f"return after {self.scenario.title}: {self.returning * 1000:.0f} ms; 0 lost")
        return found


def measure(lab: Lab, scenario: Scenario) -> Measured:
    """Run a scenario from one converged state to the next.

    Raises:
        AssertionError: the lab does not reach the expected state.
    """
    lab.wait_until_converged()
    with realtime_priority(lab.network.pids):
        return _measure(lab, scenario)


def _measure(lab: Lab, scenario: Scenario) -> Measured:
    marks = lab.marks()
    before = time.time()
    by = scenario.served_by(lab.plan)
    try:
        caused = scenario.act(lab) or faults.Caused(before)
        began, noticed = caused.began, caused.noticed
        if scenario.notice and by is scenario.served:
            noticed = _wait_for_notice(lab, scenario.notice, marks) - began
        lab.wait_until(f"served by {by.value}", lambda: served(lab, by))
        _pause(lab, began + scenario.hold)
        mended = time.time()
    finally:
        scenario.undo(lab)
    lab.wait_until_converged()
    back = time.time()
    total = scenario.bound(lab.plan).total
    worst = _worst(lab, began, mended, total=total)
    stays = scenario.served is not Served.NOBODY
    returning = _worst(lab, mended, back) if stays else Outage(0, 0.0, 0.0, frozenset())
    interrupted = worst.total if total else worst.longest
    figure = interrupted if stays else _last_seen(lab, began, mended)
    figures = (noticed, figure, worst.lost, returning.longest, returning.lost)
    measured = Measured(scenario, lab.plan, *figures, worst.answered)
    evidence = lab.report(marks) if measured.failures else ""
    _pause(lab, back + scenario.rest)
    return replace(measured, evidence=evidence)


def served(lab: Lab, by: Served) -> bool:
    """Return whether all VIPs are served as expected after a fault."""
    now = lab.probes.serving()
    if by is Served.NOBODY:
        return not any(now.values())
    for vip, owner in plan.OWNERS.items():
        moved = owner == faults.VICTIM and by is Served.OTHERS
        if not now.get(vip) or (now[vip] != owner) is not moved:
            return False
    return True


def _wait_for_notice(lab: Lab, notice: str, marks: Marks) -> float:
    log = faults.victim(lab).log
    wait_for(f"{notice} is logged", lambda: notice in read(log, marks[log]), 20, 0.002)
    return time.time()


def _pause(lab: Lab, until: float) -> None:
    lab.wait_until("the time is over", lambda: time.time() >= until, until - time.time() + 10)


def _worst(lab: Lab, start: float, end: float, *, total: bool = False) -> Outage:
    outages = lab.probes.outages(start, end).values()
    return max(outages, key=lambda outage: (outage.total if total else outage.longest, outage.lost))


def _last_seen(lab: Lab, start: float, end: float) -> float:
    return max(last_answer(runs, start, end) for runs in lab.probes.settled(end).values()) - start
