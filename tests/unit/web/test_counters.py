"""Counters of agent and services."""

import pytest

from tests.unit.web.views import OTHERS, OWN, TAKEN, VIPS, report
from vipagent.core.actions import Announce, Preference, Publish, VipReport, Withdraw
from vipagent.core.events import CheckFinished
from vipagent.exabgp.results import CommandResult
from vipagent.telemetry.counters import AgentCounters, Histogram, ServiceCounters
from vipagent.types import CheckResult, Reason, StoreState


def count_transitions(*reasons: Reason) -> tuple[int, int]:
    """Return takeovers and hand-backs after a VIP had these reasons, one after the other."""
    counters = ServiceCounters()
    for reason in reasons:
        counters.executed(Publish(report({OTHERS: VipReport(reason, None, owned=False)})))
    return counters.takeovers, counters.handbacks


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ((Reason.STANDBY, Reason.TAKEOVER), (1, 0)),
        ((Reason.TAKEOVER, Reason.TAKEOVER), (1, 0)),
        ((Reason.TAKEOVER, Reason.RELEASING, Reason.STANDBY), (1, 1)),
        ((Reason.TAKEOVER, Reason.RELEASING, Reason.TAKEOVER), (1, 0)),
        ((Reason.TAKEOVER, Reason.STANDBY, Reason.TAKEOVER, Reason.STANDBY), (2, 2)),
        ((Reason.HOT_STANDBY, Reason.TAKEOVER, Reason.HOT_STANDBY), (1, 1)),
        ((Reason.TAKEOVER, Reason.CHECK_DOWN, Reason.STANDBY), (1, 0)),
        ((Reason.RELEASING, Reason.STANDBY), (0, 0)),
    ],
)
def test_takeovers_and_hand_backs_are_counted(reasons: tuple[Reason, ...], expected: tuple[int, int]) -> None:
    assert count_transitions(*reasons) == expected


def test_a_conflict_counts_once() -> None:
    counters = ServiceCounters()
    for conflicts in ({OWN: "node2"}, {OWN: "node3"}, {}, {OWN: "node2"}):
        counters.executed(Publish(report(conflicts=conflicts)))
    assert counters.conflicts == 2


def test_announcements_and_withdrawals_are_counted() -> None:
    counters = ServiceCounters()
    counters.executed(Announce(OWN, Preference(0), Reason.OWNER))
    counters.executed(Announce(OWN, Preference(2), Reason.DRAINING))
    counters.executed(Withdraw(OWN, Reason.MAINTENANCE_NODE))
    assert (counters.announcements, counters.withdrawals) == (2, 1)
    assert set(VIPS) == {OWN, TAKEN, OTHERS}


def test_a_disabled_check_has_no_duration() -> None:
    counters = ServiceCounters()
    counters.checked(CheckFinished(CheckResult.DISABLED))
    counters.checked(CheckFinished(CheckResult.BAD, "", 0.25))
    assert counters.results == {CheckResult.DISABLED: 1, CheckResult.BAD: 1}
    assert (sum(counters.check_seconds.counts), counters.check_seconds.total) == (1, 0.25)


def test_the_upper_bound_is_part_of_its_bucket() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.0, 0.1, 0.11, 1.0, 1.01, 100.0):
        histogram.observe(seconds)
    assert histogram.counts == [2, 2, 2]
    assert histogram.total == pytest.approx(102.22)


def test_commands_errors_and_reply_times_are_counted() -> None:
    counters = AgentCounters()
    counters.completed(CommandResult(OWN, "announce", latency=0.02))
    counters.completed(CommandResult(OWN, "announce", error="no reply within 5.0 s"))
    counters.completed(CommandResult(OWN, "announce"))  # acknowledgements are disabled
    assert (counters.commands, counters.command_errors) == (2, 1)
    assert sum(counters.reply_seconds.counts) == 1


def test_connections_to_the_store_are_counted() -> None:
    counters = AgentCounters()
    for state in (StoreState.CONNECTED, StoreState.UNSURE, StoreState.CONNECTED, StoreState.LOST):
        counters.session(state)
    assert counters.connections == 2


def test_reloads_and_the_result_of_the_last_one_are_counted() -> None:
    counters = AgentCounters()
    counters.refused()
    assert not counters.last_reload_good
    counters.reloaded()
    assert counters.last_reload_good
    assert (counters.reloads, counters.refused_reloads) == (1, 1)
