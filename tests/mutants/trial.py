"""Test one mutant: run the tests on a modified copy of the tree, fastest first, until one fails."""

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
"""Number of simulation runs, and of faults per run: 2,000 in total."""
HANGS = 20
"""Timeout in seconds of an import or of one quick test; the slowest takes 4 s."""
LONG = 90
"""Timeout in seconds of a whole stage; the slowest takes 40 s."""
SIMULATED = f"""
import sys
from tests.simulation.run import breaks
sys.exit(any(breaks(seed, {FAULTS}) for seed in range({SEEDS})))
"""
"""Like `python -m tests.simulation`, but without minimizing the faults, which takes many runs."""

SCALING = "tests/quick/core/test_scaling.py"
"""Measures CPU time, so it fails on a busy machine."""
PROPERTIES = ("tests/quick/core/test_one_node.py", "tests/quick/core/test_cluster.py")
"""Property tests, which take half of the total time."""
NEAREST = {
    "vipagent/core": ("tests/quick/core",),
    "vipagent/engine": ("tests/quick/engine",),
    "vipagent/exabgp": ("tests/quick/exabgp", "tests/quick/engine"),
    "vipagent/store": ("tests/quick/store/test_reconciler.py", "tests/quick/store/test_session.py"),
}
"""The tests of each package, which run first."""
FURTHER = (
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
"""Other tests without processes and sockets that execute these packages."""
OUTPUT = "output"
COPIED = ("vipagent", "backends", "tests", "conf", "docs", "README.md", "pyproject.toml", "setup.cfg")


class Verdict(StrEnum):
    """Result of the tests of a mutant."""

    INVALID = "cannot be imported"
    FOUND = "found"
    HUNG = "found, it hung"
    SURVIVED = "survived"


@dataclass(frozen=True)
class Result:
    """Result for one mutant."""

    mutant: Mutant
    diff: str
    verdict: Verdict
    stage: str = ""
    """The test or stage that found it."""


def try_mutant(mutant: Mutant) -> Result:
    """Run the tests on a copy of the tree with the mutant; return the result."""
    original = (ROOT / mutant.path).read_text()
    changed = mutant.source(original)
    diff = "".join(
        unified_diff(original.splitlines(True), changed.splitlines(True), mutant.path, mutant.operator, n=2)
    )
    with tempfile.TemporaryDirectory(prefix="mutant") as directory:
        tree = Path(directory)
        for name in COPIED:
            _copy(ROOT / name, tree / name)
        (tree / mutant.path).write_text(changed)
        verdict, stage = _run_tests(tree, mutant.path)
    return Result(mutant, diff, verdict, stage)


def _run_tests(tree: Path, path: str) -> tuple[Verdict, str]:
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if _run(tree, HANGS, "-c", f"import {module}, vipagent.engine.engine") is not Verdict.SURVIVED:
        return Verdict.INVALID, ""
    for stage, arguments in _stages(path):
        if (verdict := _run(tree, LONG, *arguments)) is not Verdict.SURVIVED:
            return verdict, _failed(tree) or stage
    return Verdict.SURVIVED, ""


def _stages(path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name and the arguments of Python of each stage."""
    nearest = NEAREST[path.rpartition("/")[0]]
    others = [file for tests in NEAREST.values() for file in tests if file not in nearest]
    quick = ("-o", f"timeout={HANGS}", *(f"--ignore={file}" for file in (*PROPERTIES, SCALING)))
    yield "nearest unit tests", _pytest(*quick, *nearest)
    yield "other unit tests", _pytest(*quick, *others, *FURTHER)
    yield "simulation", ("-c", SIMULATED)
    yield "property tests", _pytest(*PROPERTIES)


def _pytest(*arguments: str) -> tuple[str, ...]:
    return "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments


def _run(tree: Path, seconds: float, *arguments: str) -> Verdict:
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
        return Verdict.HUNG
    return Verdict.FOUND if done.returncode else Verdict.SURVIVED


def _failed(tree: Path) -> str:
    """Return the failed test, if pytest reported one."""
    lines = (tree / OUTPUT).read_text(errors="replace").splitlines()
    named = (line for line in lines if line.startswith(("FAILED ", "ERROR ")))
    return next(named, "").partition(" - ")[0].partition(" ")[2]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)
