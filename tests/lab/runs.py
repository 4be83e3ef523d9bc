"""What a prober has seen of one VIP: runs of packets with the same fate, and what follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass

LOST = ""
"""Answered by nobody."""


@dataclass(slots=True)
class Run:
    """Consecutive packets, all answered by the same node, or all lost."""

    by: str
    since: float
    """When the first of them was sent; seconds, the system's clock."""
    until: float
    """When the last of them was sent."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Outage:
    """What was lost in a while."""

    lost: int
    """Packets."""
    longest: float
    """Seconds from the first packet lost in a row to the first one answered again."""
    answered: frozenset[str]
    """Who answered."""


def add(runs: list[Run], by: str, sent: float) -> None:
    """Add the fate of the next packet."""
    if runs and runs[-1].by == by:
        runs[-1].until = sent
        runs[-1].count += 1
    else:
        runs.append(Run(by, sent, sent))


def outage(runs: Sequence[Run], start: float, end: float) -> Outage:
    """Sum up the packets sent between two moments, at which nothing is lost."""
    within = [run for run in runs if run.until >= start and run.since <= end]
    lost = [run for run in within if run.by == LOST]
    ends = [*(later.since for later in within[1:]), end]
    lasted = [over - run.since for run, over in zip(within, ends, strict=True) if run.by == LOST]
    return Outage(
        lost=sum(run.count for run in lost),
        longest=max(lasted, default=0.0),
        answered=frozenset(run.by for run in within) - {LOST},
    )


def last_answer(runs: Sequence[Run], start: float, end: float) -> float:
    """Return when, between two moments, the last packet that was answered was sent; `start`, if none was."""
    answered = [run for run in runs if run.by != LOST and run.until >= start and run.since <= end]
    return max((min(run.until, end) for run in answered), default=start)


def serving(runs: Sequence[Run], now: float, seconds: float) -> str:
    """Return the node that has answered everything in the last seconds; LOST if there is no such node."""
    last = runs[-1] if runs else Run(LOST, now, now)
    return last.by if last.since <= now - seconds <= last.until else LOST
