"""What is done in time, whatever happens (A6)."""

from itertools import pairwise

import pytest

from tests.quick.core.pools import OWN
from tests.quick.engine.driven import serving
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.engine import inputs
from vipagent.engine.service import MAX_RETRY
from vipagent.types import CheckResult

WITHDRAWN = f"withdraw route {OWN}/32"


def test_a6_a_service_with_a_bug_tries_again_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    driven = serving()
    tried: list[float] = []

    def broken(_self: Service, _event: events.Event, now: float) -> list[actions.Action]:
        tried.append(now)
        raise RuntimeError("a bug")

    monkeypatch.setattr(Service, "handle", broken)
    driven.check(CheckResult.BAD)
    driven.live(200)
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses[:7] == pytest.approx([2, 4, 8, 16, 32, MAX_RETRY, MAX_RETRY])


def test_a6_a_timer_that_is_late_is_one_all_the_same() -> None:
    driven = serving()
    driven.maintenance("node1")
    driven.reply()
    driven.now += 2 * driven.config.services[0].core.drain_delay
    assert driven.give(inputs.TimerFired())[0] == WITHDRAWN
