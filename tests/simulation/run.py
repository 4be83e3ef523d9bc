"""Run of one seed, and minimal explanation of a violation."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from tests.simulation.plan import WEIGHTS, Fault, FaultKind, Plan, generate
from tests.simulation.simulator import Simulator
from tests.simulation.timeline import Timeline

TIMELINE_LEAD = 40.0
"""Seconds of the timeline before the first fault."""


@dataclass(frozen=True)
class Failure:
    """A violation of an invariant."""

    plan: Plan
    """The plan with a minimal set of faults."""
    violation: str
    timeline: str

    def __str__(self) -> str:
        settings = self.plan.machines[0]
        return "\n".join(
            [
                f"seed {self.plan.seed}: {self.violation}",
                f"{settings}\nsession timeout {self.plan.session_timeout:g} s, {self.plan.timing}",
                *map(str, self.plan.exabgps),
                "faults:",
                *(
                    f"{fault.at:10.3f}  node{fault.node}  {fault.kind}, {fault.seconds:.3f} s"
                    for fault in self.plan.faults
                ),
                "timeline:",
                self.timeline,
            ]
        )


def fails(seed: int, faults: int, kinds: Collection[FaultKind] = WEIGHTS) -> bool:
    """Return whether a run violates an invariant."""
    return _violation(generate(seed, faults, kinds)) is not None


def run(seed: int, faults: int) -> Failure | None:
    """Run one seed with a number of faults; return the violation with a minimal set of faults."""
    plan = generate(seed, faults)
    if _violation(plan) is None:
        return None
    return explain(plan)


def explain(plan: Plan) -> Failure:
    """Minimize the faults of a failing plan, and return the violation with its timeline."""
    plan = _minimize(plan)
    timeline = Timeline()
    violation = _violation(plan, timeline) or "not reproducible"
    first = plan.faults[0].at if plan.faults else 0.0
    since = first - TIMELINE_LEAD if first > plan.quiet_times[0] + TIMELINE_LEAD else 0.0
    return Failure(plan, violation, timeline.format(since))


def _violation(plan: Plan, timeline: Timeline | None = None) -> str | None:
    simulator = Simulator(plan, timeline.add if timeline else None)
    try:
        simulator.run()
    except Exception as error:  # noqa: BLE001 - a violation, or an error in the engine
        message = str(error) if isinstance(error, AssertionError) else repr(error)
        return f"at {simulator.clock.now:.3f}: {message}"
    return None


def _minimize(plan: Plan) -> Plan:
    """Remove halves, quarters, ... of the faults while the run still fails."""
    chunk = len(plan.faults) // 2
    while chunk:
        start = 0
        while start < len(plan.faults):
            fewer: tuple[Fault, ...] = plan.faults[:start] + plan.faults[start + chunk :]
            candidate = replace(plan, faults=fewer)
            if _violation(candidate) is not None:
                plan = candidate
            else:
                start += chunk
        chunk //= 2
    return plan
