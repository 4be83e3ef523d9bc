"""One seed: run it, and if a rule breaks, say which faults that takes and what happened."""

from dataclasses import dataclass, replace

from tests.simulation.plan import Fault, Plan, draw
from tests.simulation.timeline import Timeline
from tests.simulation.world import World

TOLD = 40.0
"""Seconds before the first fault at which the timeline begins, if it is not the beginning."""


@dataclass(frozen=True)
class Failure:
    """A broken rule."""

    plan: Plan
    """With no more faults than it takes."""
    broken: str
    timeline: str

    def __str__(self) -> str:
        settings = self.plan.machines[0]
        return "\n".join(
            [
                f"seed {self.plan.seed}: {self.broken}",
                f"{settings}\nsession life {self.plan.session_life:g} s, {self.plan.pace}",
                "faults:",
                *(
                    f"{fault.at:10.3f}  node{fault.node}  {fault.kind}, {fault.seconds:.3f} s"
                    for fault in self.plan.faults
                ),
                "timeline:",
                self.timeline,
            ]
        )


def breaks(seed: int, faults: int) -> bool:
    """Say whether a rule breaks."""
    return _broken(draw(seed, faults)) is not None


def run(seed: int, faults: int) -> Failure | None:
    """Run one seed with so many faults; return what broke, with as few faults as it takes."""
    plan = draw(seed, faults)
    if _broken(plan) is None:
        return None
    return explain(plan)


def explain(plan: Plan) -> Failure:
    """Run a plan that fails again with ever fewer faults, and tell the story of the smallest."""
    plan = _smallest(plan)
    timeline = Timeline()
    broken = _broken(plan, timeline) or "not broken any more"
    first = plan.faults[0].at if plan.faults else 0.0
    since = first - TOLD if first > plan.calms[0] + TOLD else 0.0
    return Failure(plan, broken, timeline.tell(since))


def _broken(plan: Plan, timeline: Timeline | None = None) -> str | None:
    world = World(plan, timeline.add if timeline else None)
    try:
        world.run()
    except Exception as error:  # noqa: BLE001 - a rule is broken, or the core is
        said = str(error) if isinstance(error, AssertionError) else repr(error)
        return f"at {world.clock.now:.3f}: {said}"
    return None


def _smallest(plan: Plan) -> Plan:
    """Leave out halves, quarters, ... of the faults as long as something still breaks."""
    chunk = len(plan.faults) // 2
    while chunk:
        start = 0
        while start < len(plan.faults):
            fewer: tuple[Fault, ...] = plan.faults[:start] + plan.faults[start + chunk :]
            candidate = replace(plan, faults=fewer)
            if _broken(candidate) is not None:
                plan = candidate
            else:
                start += chunk
        chunk //= 2
    return plan
