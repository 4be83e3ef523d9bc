"""Each route decision is logged; each route change is an event of the record."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import get_args

import pytest

from vipagent.core import events
from vipagent.core.actions import Announce, Preference, Report, VipReport, Withdraw
from vipagent.core.settings import ServiceSettings
from vipagent.engine.history import CAUSES, History
from vipagent.store.records import MAX_EVENTS, Event
from vipagent.types import RULE_BY_REASON, CheckResult, CheckState, Reason

VIP, OWN = "10.0.0.2", "10.0.0.1"
OWNER = VipReport(Reason.OWNER, 0, owned=True)
DEATH = BACK = events.MembersSeen({})
TAKEOVER = Announce(VIP, Preference(1), Reason.TAKEOVER)
HAND_BACK = Withdraw(VIP, Reason.STANDBY)
RELOAD = events.Reconfigured(ServiceSettings("apex", "node1", (VIP,), ((VIP,),), settle=6.0))


def report(vips: dict[str, VipReport]) -> Report:
    return Report(CheckState.UP, 1, vips, conflicts={}, maintenance="", detail="")


def undated(history: tuple[Event, ...]) -> list[Event]:
    return [replace(event, at="") for event in history]


def test_every_reason_has_a_rule_and_every_event_a_cause() -> None:
    assert set(RULE_BY_REASON) == set(Reason)
    single = set(get_args(events.Event)) - {events.Batch}
    assert set(CAUSES) == single, "a batch has the cause of its first event"
    assert len(set(CAUSES.values())) == len(CAUSES)


def test_an_event_has_old_and_new_state_rule_and_cause() -> None:
    history = History("apex")
    history.record(TAKEOVER, DEATH)
    history.record(HAND_BACK, events.TimerFired())
    assert undated(history.latest) == [
        Event("", VIP, "", "rank 1 (takeover)", "takeover", "A2", "members"),
        Event("", VIP, "rank 1 (takeover)", "withdrawn (standby)", "standby", "A2", "timer"),
    ]


def test_the_old_state_has_the_last_reason() -> None:
    """Reasons can change without the route, for example when the owner is back (H1)."""
    history = History("apex")
    history.record(TAKEOVER, DEATH)
    history.update_reasons(report({VIP: VipReport(Reason.RELEASING, 1, owned=False), OWN: OWNER}))
    history.record(HAND_BACK, events.TimerFired())
    history.update_reasons(report({VIP: VipReport(Reason.MAINTENANCE_SERVICE, None, owned=False)}))
    history.record(TAKEOVER, events.MaintenanceSeen())
    assert [(event.old, event.new) for event in history.latest[1:]] == [
        ("rank 1 (releasing)", "withdrawn (standby)"),
        ("withdrawn (maintenance-service)", "rank 1 (takeover)"),
    ]
    history.record(Withdraw(OWN, Reason.CHECK_DOWN), events.CheckFinished(CheckResult.BAD))
    assert history.latest[-1].vip == VIP, "this run has never announced it"


def test_timestamps_are_utc_in_milliseconds() -> None:
    before = datetime.now(UTC)
    history = History("apex")
    history.record(TAKEOVER, DEATH)
    at = history.latest[0].at
    assert (datetime.fromisoformat(at) - before).total_seconds() == pytest.approx(0, abs=10)
    assert at.endswith("+00:00")
    assert len(at) == len("2026-01-01T00:00:00.000+00:00")


def test_the_log_has_the_same_fields() -> None:
    history = History("apex")
    lines = [history.record(HAND_BACK, BACK), history.record(TAKEOVER, DEATH)]
    assert [line.message for line in lines] == ["withdraw", "announce"]
    fields = asdict(history.latest[-1])
    del fields["at"]
    assert lines[-1].fields == {"service": "apex", **fields}
    assert fields["old"] == "withdrawn (standby)"


def test_e2_the_log_says_what_the_first_withdrawal_withdraws() -> None:
    fields = {"service": "apex", "vip": VIP, "reason": "standby", "rule": "A2", "cause": "members"}
    for in_table, message, change in (
        (False, "not announced", {}),
        (True, "withdraw", {"old": "announced by an earlier run", "new": "withdrawn (standby)"}),
        (None, "withdraw", {"old": "unknown", "new": "withdrawn (standby)"}),
    ):
        history = History("apex")
        starting = VipReport(Reason.STARTING, None, owned=False, in_table=in_table)
        history.update_reasons(report({VIP: starting}))
        line = history.record(HAND_BACK, BACK)
        assert (line.message, line.fields) == (message, {**fields, **change})
        assert history.latest == ()


def test_withdrawals_at_start_are_logged_only() -> None:
    """E2: withdrawals of stale routes would fill the history of a large pool."""
    history = History("apex")
    history.record(HAND_BACK, events.CheckFinished(CheckResult.GOOD))
    assert history.latest == ()


def test_only_the_latest_events_are_kept() -> None:
    history = History("apex")
    vips = [f"10.0.0.{number}" for number in range(50)]
    for vip in vips:
        history.record(replace(TAKEOVER, vip=vip), DEATH)
        history.record(Withdraw(vip, Reason.REMOVED), RELOAD)
    assert [event.vip for event in history.latest[::2]] == vips[-MAX_EVENTS // 2 :]
    history.record(replace(TAKEOVER, vip=vips[0]), DEATH)
    assert history.latest[-1].old == ""
