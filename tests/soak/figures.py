"""What an agent holds, read while it rests."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from tests.benchmark.program import Program

READINGS = 400
BETWEEN = 0.0025
"""Seconds. Checks come and go all the time: the lowest number of descriptors is what is held for good. The
watchdog's thread is changed for another all the time: the usual number of threads is what is held."""

HEADS = (
    *("hour", "check results", "take-overs", "reconnections", "reloads"),
    *("memory, MB", "threads", "descriptors", "CPU, s"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading."""

    hour: int
    results: int
    take_overs: int
    reconnections: int
    reloads: int
    resident: float
    """MB."""
    threads: int
    descriptors: int
    cpu: float
    """Seconds since its start, those of its children included."""


def held(agent: Program) -> tuple[int, int]:
    """Return the number of threads and of descriptors that an agent holds, whatever it is doing."""
    threads, descriptors = [], []
    for _ in range(READINGS):
        threads.append(agent.threads())
        descriptors.append(agent.descriptors())
        time.sleep(BETWEEN)
    return round(median(threads)), min(descriptors)


def table(day: Iterable[Figures]) -> str:
    """Return the readings as Markdown."""
    lines = [f"| {' | '.join(HEADS)} |", "| --- " * len(HEADS) + "|"]
    lines += [
        f"| {one.hour} | {one.results} | {one.take_overs} | {one.reconnections} | {one.reloads} "
        f"| {one.resident:.1f} | {one.threads} | {one.descriptors} | {one.cpu:.0f} |"
        for one in day
    ]
    return "\n".join(lines)
