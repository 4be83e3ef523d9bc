"""Try one mutant: a copy of the tree with the change, and the tests, the fastest first, until one fails."""

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
"""Runs of the simulation, and faults in each: 2,000."""
HANGS = 20
"""Seconds after which an import, or one of the quick tests, hangs: the slowest takes 4 s."""
LONG = 90
"""Seconds after which a whole stage hangs: the slowest takes 40 s."""
SIMULATED = f"""
import sys
from tests.simulation.run import breaks
sys.exit(any(breaks(seed, {FAULTS}) for seed in range({SEEDS})))
"""
"""As `python -m tests.simulation`, but without a story of what broke: it takes many runs."""

GROWTH = "tests/quick/core/test_scaling.py"
"""Measures how long it takes: not fit for a machine that is busy."""
PROPERTIES = ("tests/quick/core/test_one_node.py", "tests/quick/core/test_cluster.py")
"""Property tests that take half of the time."""
NEAREST = {
    "vipagent/core": ("tests/quick/core",),
    "vipagent/engine": ("tests/quick/engine",),
    "vipagent/exabgp": ("tests/quick/exabgp", "tests/quick/engine"),
    "vipagent/store": ("tests/quick/store/test_reconciler.py", "tests/quick/store/test_session.py"),
}
"""The tests of each package, the first to be run."""
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
"""Other tests without processes and sockets that go through these packages."""
OUTPUT = "output"
COPIED = ("vipagent", "backends", "tests", "conf", "docs", "README.md", "pyproject.toml", "setup.cfg")


class Fate(StrEnum):
    """What becomes of a mutant."""

    INVALID = "cannot be imported"
    FOUND = "found"
    HUNG = "found, it hung"
    SURVIVED = "survived"


@dataclass(frozen=True)
class Result:
    """A mutant that was tried."""

    mutant: Mutant
    diff: str
    fate: Fate
    stage: str = ""
    """What found it."""


def try_mutant(mutant: Mutant) -> Result:
    """Run the tests on a copy of the tree with the mutant; return what they found."""
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
        fate, stage = _run_tests(tree, mutant.path)
    return Result(mutant, diff, fate, stage)


def _run_tests(tree: Path, path: str) -> tuple[Fate, str]:
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if _run(tree, HANGS, "-c", f"import {module}, vipagent.engine.engine") is not Fate.SURVIVED:
        return Fate.INVALID, ""
    for stage, arguments in _stages(path):
        if (fate := _run(tree, LONG, *arguments)) is not Fate.SURVIVED:
            return fate, _failed(tree) or stage
    return Fate.SURVIVED, ""


def _stages(path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name of each stage and its command, without Python itself."""
    nearest = NEAREST[path.rpartition("/")[0]]
    others = [file for tests in NEAREST.values() for file in tests if file not in nearest]
    quick = ("-o", f"timeout={HANGS}", *(f"--ignore={file}" for file in (*PROPERTIES, GROWTH)))
    yield "nearest unit tests", _pytest(*quick, *nearest)
    yield "other unit tests", _pytest(*quick, *others, *FURTHER)
    yield "simulation", ("-c", SIMULATED)
    yield "property tests", _pytest(*PROPERTIES)


def _pytest(*arguments: str) -> tuple[str, ...]:
    return "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments


def _run(tree: Path, seconds: float, *arguments: str) -> Fate:
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
        return Fate.HUNG
    return Fate.FOUND if done.returncode else Fate.SURVIVED


def _failed(tree: Path) -> str:
    """Return the test that failed, if pytest has named one."""
    lines = (tree / OUTPUT).read_text(errors="replace").splitlines()
    named = (line for line in lines if line.startswith(("FAILED ", "ERROR ")))
    return next(named, "").partition(" - ")[0].partition(" ")[2]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)
