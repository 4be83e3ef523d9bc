"""Test one mutant: run the tests in a copy of the tree, the fastest first, until one fails."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum
from pathlib import Path

from tests.mutants.listing import ROOT, Mutant
from vipagent.testing.slowness import allowed

SEEDS, FAULTS = 20, 100
"""Runs of the simulation, and faults per run: 2,000 in total."""
QUICK_TIMEOUT = 20
"""Timeout of an import and of each quick test, in seconds: the slowest test takes 4 s."""
STAGE_TIMEOUT = 90
"""Timeout of a stage, in seconds: the slowest takes 40 s."""
SIMULATION = f"""
import sys
from tests.simulation.run import fails
sys.exit(any(fails(seed, {FAULTS}) for seed in range({SEEDS})))
"""
"""Like `python -m tests.simulation`, but without minimizing the faults, which takes many runs."""

SCALING = "tests/quick/core/test_scaling.py"
"""Excluded, because it measures durations, which depend on the machine's load."""
PROPERTIES = ("tests/quick/core/test_one_node.py", "tests/quick/core/test_cluster.py")
"""Property tests, which take half of the time."""
OWN_TESTS = {
    "vipagent/core": ("tests/quick/core",),
    "vipagent/engine": ("tests/quick/engine",),
    "vipagent/exabgp": ("tests/quick/exabgp", "tests/quick/engine"),
    "vipagent/store": ("tests/quick/store/test_reconciler.py", "tests/quick/store/test_session.py"),
}
"""Unit tests by package; those of the mutated package run first."""
OTHER_TESTS = (
    "tests/unit/store/test_runner.py",
    "tests/quick/store",
    "tests/quick/migration",
    "tests/unit/test_cli_simulate.py",
    "tests/unit/test_cli_status.py",
    "tests/unit/test_lookup.py",
    "tests/unit/test_summary.py",
    "tests/unit/web/test_counters.py",
    "tests/unit/web/test_metrics.py",
    "tests/unit/web/test_site.py",
)
"""Other tests of these packages without processes and sockets."""
OUTPUT = "output"
COPIED_PATHS = ("vipagent", "backends", "tests", "conf", "docs", "README.md", "pyproject.toml", "setup.cfg")


class Outcome(StrEnum):
    """Outcome of a mutant."""

    INVALID = "cannot be imported"
    DETECTED = "detected"
    TIMED_OUT = "detected by a timeout"
    SURVIVED = "survived"


@dataclass(frozen=True)
class Result:
    """Result of testing one mutant."""

    mutant: Mutant
    diff: str
    outcome: Outcome
    stage: str = ""
    """Test or stage that detected it."""


def failing_stage() -> str:
    """Return the stage that fails on the unmodified tree, which would detect every mutant; empty: none."""
    with tempfile.TemporaryDirectory(prefix="mutant") as directory:
        tree = Path(directory)
        for name in COPIED_PATHS:
            _copy(ROOT / name, tree / name)
        outcome, stage = _run_tests(tree, "vipagent/engine/engine.py")
    return "" if outcome is Outcome.SURVIVED else stage or outcome


def try_mutant(mutant: Mutant) -> Result:
    """Run the tests on a copy of the tree with the mutant, and return the result."""
    original = (ROOT / mutant.path).read_text()
    changed = mutant.source(original)
    diff = "".join(
        unified_diff(original.splitlines(True), changed.splitlines(True), mutant.path, mutant.operator, n=2)
    )
    with tempfile.TemporaryDirectory(prefix="mutant") as directory:
        tree = Path(directory)
        for name in COPIED_PATHS:
            _copy(ROOT / name, tree / name)
        (tree / mutant.path).write_text(changed)
        outcome, stage = _run_tests(tree, mutant.path)
    return Result(mutant, diff, outcome, stage)


def _run_tests(tree: Path, path: str) -> tuple[Outcome, str]:
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if _run(tree, QUICK_TIMEOUT, "-c", f"import {module}, vipagent.engine.engine") is not Outcome.SURVIVED:
        return Outcome.INVALID, ""
    for stage, arguments in _stages(path):
        if (outcome := _run(tree, STAGE_TIMEOUT, *arguments)) is not Outcome.SURVIVED:
            return outcome, _failed_test(tree) or stage
    return Outcome.SURVIVED, ""


def _stages(path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name of each stage and its arguments for Python."""
    own_tests = OWN_TESTS[path.rpartition("/")[0]]
    others = [file for tests in OWN_TESTS.values() for file in tests if file not in own_tests]
    quick = ("-o", f"timeout={QUICK_TIMEOUT}", *(f"--ignore={file}" for file in (*PROPERTIES, SCALING)))
    yield "unit tests of the package", _pytest(*quick, *own_tests)
    yield "other unit tests", _pytest(*quick, *others, *OTHER_TESTS)
    yield "simulation", ("-c", SIMULATION)
    yield "property tests", _pytest(*PROPERTIES)


def _pytest(*arguments: str) -> tuple[str, ...]:
    return "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments


def _run(tree: Path, seconds: float, *arguments: str) -> Outcome:
    try:
        with (tree / OUTPUT).open("wb") as output:
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=tree,
                timeout=allowed(seconds),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return Outcome.TIMED_OUT
    return Outcome.DETECTED if done.returncode else Outcome.SURVIVED


def _failed_test(tree: Path) -> str:
    """Return the failed test from pytest's output; empty if there is none."""
    lines = (tree / OUTPUT).read_text(errors="replace").splitlines()
    named = (line for line in lines if line.startswith(("FAILED ", "ERROR ")))
    return next(named, "").partition(" - ")[0].partition(" ")[2]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)
