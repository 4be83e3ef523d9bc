"""Measures the resources of an idle agent."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from tests.benchmark.program import Program

READINGS = 400
BETWEEN = 0.0025
"""In seconds. Checks open descriptors temporarily, so the minimum is used. The watchdog's thread is replaced
regularly, so the most common number of threads is used."""

HEADS = (
    *("hour", "check results", "takeovers", "reconnections", "reloads"),
    *("memory, MB", "threads", "descriptors", "CPU, s"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement."""

    hour: int
    results: int
    takeovers: int
    reconnections: int
    reloads: int
    resident: float
    """MB."""
    threads: int
    descriptors: int
    cpu: float
    """CPU seconds since its start, including children."""


def held(agent: Program) -> tuple[int, int]:
    """Return the number of threads and file descriptors of an idle agent."""
    threads, descriptors = [], []
    for _ in range(READINGS):
        threads.append(agent.threads())
        descriptors.append(agent.descriptors())
        time.sleep(BETWEEN)
    return round(median(threads)), min(descriptors)


def table(day: Iterable[Figures]) -> str:
    """Return the measurements as a Markdown table."""
    lines = [f"| {' | '.join(HEADS)} |", "| --- " * len(HEADS) + "|"]
    lines += [
        f"| {one.hour} | {one.results} | {one.takeovers} | {one.reconnections} | {one.reloads} "
        f"| {one.resident:.1f} | {one.threads} | {one.descriptors} | {one.cpu:.0f} |"
        for one in day
    ]
    return "\n".join(lines)
