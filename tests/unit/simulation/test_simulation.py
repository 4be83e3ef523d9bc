"""The real engine under faults drawn from seeds; more of them: `python -m tests.simulation`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.plan import FaultKind, draw
from tests.simulation.run import run
from tests.simulation.world import World
from vipagent.testing.slowness import allowed
from vipagent.types import Standby, Takeover

SEEDS, FAULTS = 200, 100
BATCHES = 8
FAILED_ONCE = [
    tuple(map(int, line.split()[:2]))
    for line in Path(__file__).with_name("seeds.txt").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_many_faults_break_no_rule(batch: int) -> None:
    for seed in range(batch, SEEDS, BATCHES):
        assert (failure := run(seed, FAULTS)) is None, str(failure)


@pytest.mark.parametrize(("seed", "faults"), FAILED_ONCE)
def test_what_failed_once(seed: int, faults: int) -> None:
    assert (failure := run(seed, faults)) is None, str(failure)


def test_every_kind_of_fault_and_every_policy_is_drawn() -> None:
    plans = [draw(seed, FAULTS) for seed in range(SEEDS)]
    assert {fault.kind for plan in plans for fault in plan.faults} == set(FaultKind)
    policies = {(plan.machines[0].takeover, plan.machines[0].standby) for plan in plans}
    assert policies == {(takeover, standby) for takeover in Takeover for standby in Standby}
    assert {plan.machines[0].on_store_loss for plan in plans} == {"keep", "own", "withdraw"}
    assert {plan.machines[0].require_bgp for plan in plans} == {0, 1}
    assert any(len(machine.owned) > 1 for plan in plans for machine in plan.machines)


def test_the_command_counts_what_it_did() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "4", "--faults", "10"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=allowed(120),
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.startswith("4 seeds, 40 faults, 0 failures, ")


def test_a_seed_is_the_same_run_every_time() -> None:
    once, again = story(5), story(5)
    assert len(once) > 100
    assert once == again


def story(seed: int) -> list[str]:
    lines: list[str] = []
    World(draw(seed, 20), lambda entry: lines.append(str(entry))).run()
    return lines
