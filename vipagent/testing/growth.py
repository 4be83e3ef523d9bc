"""Tells a leak from noise: what is held is read several times, with the same work between two readings.

One reading says little: what is in use at that moment is in it, and a buffer that is kept grows once.
A leak grows from most readings to most later ones.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median

READINGS = 10
"""Enough for three of them to be wrong by any amount."""


def slope(readings: Sequence[float]) -> float:
    """Return the growth from one reading to the next: the median over all pairs (Theil and Sen)."""
    pairs = combinations(enumerate(readings), 2)
    return median((later - earlier) / (there - here) for (here, earlier), (there, later) in pairs)


def check(what: str, readings: Sequence[float], most: float) -> None:
    """Assert that what is held grows by less than `most` from one reading to the next."""
    grown = slope(readings)
    assert grown < most, f"{what}: {grown:g} more at each reading, {most:g} are too many: {list(readings)}"


def read(
    work: Callable[[], object], *sources: Callable[[], float], times: int = READINGS
) -> list[list[float]]:
    """Do the work so many times, with a reading of each source after each; return the sources' readings."""
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
    """Return the memory that a process holds, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(status.partition("VmRSS:")[2].split()[0])
