"""Results of a prober for one VIP: runs of packets with the same outcome, and statistics."""

from collections.abc import Sequence
from dataclasses import dataclass

LOST = ""
"""Outcome of packets without reply."""


@dataclass(slots=True)
class Run:
    """Consecutive packets, all with replies of the same node, or all lost."""

    by: str
    since: float
    """Send time of the first packet, in seconds of the system clock."""
    until: float
    """Send time of the last packet."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Outage:
    """Packet loss in an interval."""

    lost: int
    """Packets."""
    longest: float
    """Seconds from the first lost packet to the next reply."""
    total: float
    """Sum of these times of all interruptions."""
    answered: frozenset[str]
    """Nodes that replied."""


def add(runs: list[Run], by: str, sent: float) -> None:
    """Add the outcome of the next packet."""
    if runs and runs[-1].by == by:
        runs[-1].until = sent
        runs[-1].count += 1
    else:
        runs.append(Run(by, sent, sent))


def outage(runs: Sequence[Run], start: float, end: float) -> Outage:
    """Summarize the packets of an interval, without loss at its ends."""
    within = [run for run in runs if run.until >= start and run.since <= end]
    lost = [run for run in within if run.by == LOST]
    ends = [*(later.since for later in within[1:]), end]
    lasted = [over - run.since for run, over in zip(within, ends, strict=True) if run.by == LOST]
    return Outage(
        lost=sum(run.count for run in lost),
        longest=max(lasted, default=0.0),
        total=sum(lasted),
        answered=frozenset(run.by for run in within) - {LOST},
    )


def last_answer(runs: Sequence[Run], start: float, end: float) -> float:
    """Return the send time of the last packet with a reply in an interval, or `start`."""
    answered = [run for run in runs if run.by != LOST and run.until >= start and run.since <= end]
    return max((min(run.until, end) for run in answered), default=start)


def serving(runs: Sequence[Run], now: float, seconds: float) -> str:
    """Return the node that has replied to all packets of the last seconds, or LOST."""
    last = runs[-1] if runs else Run(LOST, now, now)
    return last.by if last.since <= now - seconds <= last.until else LOST
