"""Counters of an agent, which are maintained even if `vipagent.web` is not in use."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import assert_never

from vipagent.core import actions, events
from vipagent.exabgp.results import CommandResult
from vipagent.types import CheckResult, Reason, StoreState

CHECK_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bucket bounds in seconds: from a local TCP connection to a slow command."""
REPLY_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bucket bounds in seconds: replies usually take tens of ms, and time out after `REPLY_TIMEOUT`."""
TAKEN = frozenset({Reason.TAKEOVER, Reason.RELEASING})
HANDED_BACK = frozenset({Reason.STANDBY, Reason.HOT_STANDBY})


class Histogram:
    """Histogram of durations.

    Args:
        bounds: ascending upper bounds of the buckets in seconds; a last bucket has all longer durations.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        """Sum of all durations in seconds."""

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


@dataclass(slots=True)
class ServiceCounters:
    """Counters of one service since it was configured."""

    results: Counter[CheckResult] = field(default_factory=Counter)
    check_seconds: Histogram = field(default_factory=lambda: Histogram(CHECK_BOUNDS))
    announcements: int = 0
    withdrawals: int = 0
    takeovers: int = 0
    handbacks: int = 0
    conflicts: int = 0
    internal_errors: int = 0
    _taken: set[str] = field(default_factory=set)
    _conflicts: frozenset[str] = frozenset()

    def checked(self, event: events.CheckFinished) -> None:
        """Count a check result."""
        self.results[event.result] += 1
        if event.seconds is not None:
            self.check_seconds.observe(event.seconds)

    def executed(self, action: actions.Action) -> None:
        """Count an action."""
        match action:
            case actions.Announce():
                self.announcements += 1
            case actions.Withdraw():
                self.withdrawals += 1
            case actions.Publish(report):
                self._reported(report)
            case actions.Register() | actions.Deregister() | actions.RunHook() | actions.SetTimer():
                pass
            case _:
                assert_never(action)

    def _reported(self, report: actions.Report) -> None:
        """Count takeovers by reports: with hot standby a takeover changes no route (A4)."""
        for vip, seen in report.vips.items():
            if seen.reason is Reason.TAKEOVER and vip not in self._taken:
                self._taken.add(vip)
                self.takeovers += 1
            elif seen.reason not in TAKEN and vip in self._taken:
                self._taken.discard(vip)
                self.handbacks += seen.reason in HANDED_BACK
        found = frozenset(report.conflicts)
        self.conflicts += len(found - self._conflicts)
        self._conflicts = found


@dataclass(slots=True)
class AgentCounters:
    """Counters of the agent since its start."""

    connections: int = 0
    """Number of times the store session became connected."""
    commands: int = 0
    """Route commands that ExaBGP has confirmed."""
    command_errors: int = 0
    reply_seconds: Histogram = field(default_factory=lambda: Histogram(REPLY_BOUNDS))
    reloads: int = 0
    refused_reloads: int = 0
    last_reload_good: bool = True

    def session(self, state: StoreState) -> None:
        """Count a state change of the store session."""
        self.connections += state is StoreState.CONNECTED

    def completed(self, outcome: CommandResult) -> None:
        """Count the outcome of a command."""
        if outcome.error:
            self.command_errors += 1
        else:
            self.commands += 1
        if outcome.latency is not None:
            self.reply_seconds.observe(outcome.latency)

    def reloaded(self) -> None:
        """Count a successful reload."""
        self.reloads += 1
        self.last_reload_good = True

    def refused(self) -> None:
        """Count a failed reload."""
        self.refused_reloads += 1
        self.last_reload_good = False
