"""Simulation of the real engine with random faults; for more seeds: `python -m tests.simulation`."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.simulation.plan import FaultKind, generate
from tests.simulation.run import run
from tests.simulation.simulator import Simulator
from vipagent.testing.slowness import allowed
from vipagent.types import Standby, Takeover

SEEDS, FAULTS = 200, 100
BATCHES = 8
REGRESSIONS = [
    tuple(map(int, line.split()[:2]))
    for line in Path(__file__).with_name("seeds.txt").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_invariants_hold_with_many_faults(batch: int) -> None:
    for seed in range(batch, SEEDS, BATCHES):
        assert (failure := run(seed, FAULTS)) is None, str(failure)


@pytest.mark.parametrize(("seed", "faults"), REGRESSIONS)
def test_regressions(seed: int, faults: int) -> None:
    assert (failure := run(seed, faults)) is None, str(failure)


def test_plans_contain_all_faults_and_policies() -> None:
    plans = [generate(seed, FAULTS) for seed in range(SEEDS)]
    assert {fault.kind for plan in plans for fault in plan.faults} == set(FaultKind)
    policies = {(plan.machines[0].takeover, plan.machines[0].standby) for plan in plans}
    assert policies == {(takeover, standby) for takeover in Takeover for standby in Standby}
    assert {plan.machines[0].on_store_loss for plan in plans} == {"keep", "own", "withdraw"}
    assert {plan.machines[0].require_bgp for plan in plans} == {0, 1, 2}
    assert any(len(machine.owned) > 1 for plan in plans for machine in plan.machines)


def test_plans_contain_all_dialects_and_numbers_of_neighbours() -> None:
    exabgps = [exabgp for seed in range(SEEDS) for exabgp in generate(seed, 1).exabgps]
    assert {len(exabgp.neighbors) for exabgp in exabgps} == {1, 2, 3}
    dialects = [exabgp.dialect for exabgp in exabgps]
    drawn = {(dialect.version, dialect.encoder, dialect.events, dialect.acks) for dialect in dialects}
    assert drawn == set(product((4, 5), ("json", "text"), (True, False), (True, False)))
    neighbors = [neighbor for exabgp in exabgps for neighbor in exabgp.neighbors]
    assert {neighbor.asn == neighbor.local_as for neighbor in neighbors} == {True, False}
    assert {neighbor.hold_time for neighbor in neighbors} == {3.0, 9.0, 30.0}
    assert {neighbor.add_path for neighbor in neighbors} == {True, False}


def test_command_line_prints_totals() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "4", "--faults", "10"]
    completed = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=allowed(120),
        cwd=Path(__file__).parents[3],
    )
    assert completed.stdout.startswith("4 seeds, 40 faults, 0 failures, ")


def test_run_is_deterministic() -> None:
    first, second = timeline(5), timeline(5)
    assert len(first) > 100
    assert first == second


def timeline(seed: int) -> list[str]:
    lines: list[str] = []
    Simulator(generate(seed, 20), lambda entry: lines.append(str(entry))).run()
    return lines
