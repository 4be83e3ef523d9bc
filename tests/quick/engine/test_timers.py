"""Timers: retries after a bug, and timers that fire late (A6)."""

from itertools import pairwise

import pytest

from tests.quick.core.pools import OWN
from tests.quick.engine.harness import serving
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.engine.service import MAX_RETRY_DELAY
from vipagent.types import CheckResult

WITHDRAWN = f"withdraw route {OWN}/32"


def test_a6_a_service_with_a_bug_retries_with_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = serving()
    attempts: list[float] = []

    def broken(_self: Service, _event: events.Event, now: float) -> list[actions.Action]:
        attempts.append(now)
        raise RuntimeError("a bug")

    monkeypatch.setattr(Service, "handle", broken)
    harness.check(CheckResult.BAD)
    harness.advance_answering(200)
    delays = [later - earlier for earlier, later in pairwise(attempts)]
    assert delays[:7] == pytest.approx([2, 4, 8, 16, 32, MAX_RETRY_DELAY, MAX_RETRY_DELAY])


def test_a6_a_late_timer_still_counts() -> None:
    harness = serving()
    harness.maintenance("node1")
    harness.reply()
    harness.now += 2 * harness.config.services[0].core.drain_delay
    assert harness.give(events.TimerFired())[0] == WITHDRAWN
