"""Detects leaks: a resource is measured several times, with the same work between two measurements.

A single measurement includes temporary use, and buffers that grow once. A leak grows between most pairs of
measurements.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median

READINGS = 10
"""Number of measurements: tolerates three outliers."""


def slope(readings: Sequence[float]) -> float:
    """Return the growth per reading: the median over all pairs (Theil-Sen estimator)."""
    pairs = combinations(enumerate(readings), 2)
    return median((later - earlier) / (there - here) for (here, earlier), (there, later) in pairs)


def check(what: str, readings: Sequence[float], most: float) -> None:
    """Assert that the growth per reading is less than `most`."""
    grown = slope(readings)
    assert grown < most, f"{what}: grows by {grown:g} per reading, limit {most:g}: {list(readings)}"


def read(
    work: Callable[[], object], *sources: Callable[[], float], times: int = READINGS
) -> list[list[float]]:
    """Repeat the work, and read all sources after each run; return the readings of each source."""
    taken: list[list[float]] = [[] for _ in sources]
    for _ in range(times):
        work()
        for source, readings in zip(sources, taken, strict=True):
            readings.append(source())
    return taken


def descriptors(pid: int | str = "self") -> int:
    """Return the number of a process's open file descriptors."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident(pid: int | str = "self") -> float:
    """Return the resident memory of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(status.partition("VmRSS:")[2].split()[0])
