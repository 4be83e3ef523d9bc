"""Shutdown: other nodes announce first, then everything is withdrawn, within a second (E3)."""

import pytest

from tests.quick.core.pools import OWN
from tests.quick.engine.harness import EngineHarness, established, served, serving
from vipagent.core.events import TimerFired
from vipagent.engine import inputs
from vipagent.engine.shutdown import LEAVE_DELAY, WITHDRAW_TIMEOUT
from vipagent.types import CheckResult

LOWEST = f"announce route {OWN}/32 next-hop self med 300 community [ 65535:0 ] origin incomplete"
WITHDRAWN = f"withdraw route {OWN}/32"
DEREGISTERED = f"deregister /service/apex/{OWN}"
RECORD_GONE = "deregister /state/apex/node1"


def test_deregisters_announces_at_the_lowest_rank_withdraws_and_ends() -> None:
    harness = serving()
    assert harness.give(inputs.ShutdownRequested())[:2] == [DEREGISTERED, LOWEST]
    harness.reply()
    assert harness.give(inputs.ShutdownRequested()) == [], "a second request is ignored"
    assert harness.wait(LEAVE_DELAY - 0.01) == []
    withdrawn = harness.wait(0.01)
    assert withdrawn[0] == WITHDRAWN
    assert withdrawn[-1] == RECORD_GONE
    assert "stop apex" in withdrawn
    assert not harness.ended
    assert harness.reply() == ["end"]


def test_withdrawals_without_reply_time_out() -> None:
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    harness.wait(LEAVE_DELAY)
    assert harness.wait(WITHDRAW_TIMEOUT)[-1:] == ["end"]


def test_a_late_timer_ends_the_shutdown() -> None:
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    harness.now += LEAVE_DELAY + 0.1
    assert WITHDRAWN in harness.give(TimerFired()) + harness.reply()
    harness.now += WITHDRAW_TIMEOUT + 0.1
    assert harness.ended or harness.give(TimerFired())[-1:] == ["end"]


def test_a_route_in_flight_is_withdrawn_last() -> None:
    """Its last command has no reply, and ExaBGP may reorder commands in one flush."""
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    assert WITHDRAWN not in harness.wait(LEAVE_DELAY), "the lowest rank is still in flight"
    assert harness.wait(WITHDRAW_TIMEOUT) == [WITHDRAWN, "end"]


def test_withdraws_even_if_the_pipe_is_congested() -> None:
    harness = serving()
    harness.give(inputs.PipeCongested(congested=True))
    harness.give(inputs.ShutdownRequested())
    assert WITHDRAWN in harness.wait(LEAVE_DELAY)


@pytest.mark.parametrize("asked", [False, True], ids=["before", "while-leaving"])
def test_no_leave_delay_if_exabgp_is_stopping(asked: bool) -> None:
    harness = serving()
    if asked:
        harness.give(inputs.ShutdownRequested())
        harness.reply()
    lines = harness.read(established(up=False), "shutdown 1 2")
    assert WITHDRAWN in lines
    assert lines[-1] == RECORD_GONE
    assert LOWEST not in lines
    assert harness.reply() == ["end"]


def test_no_leave_delay_if_exabgp_hangs() -> None:
    harness = serving()
    harness.wait(10)
    assert WITHDRAWN in harness.give(inputs.ShutdownRequested())


def test_nothing_is_written_after_exabgp_has_exited() -> None:
    harness = serving()
    lines = harness.give(inputs.PipeEnded())
    assert lines[0] == DEREGISTERED
    assert lines[-2:] == [RECORD_GONE, "end"]
    assert not [line for line in lines if "route" in line]


def test_exabgp_may_exit_during_the_leave_delay() -> None:
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    assert harness.give(inputs.PipeEnded())[-2:] == [RECORD_GONE, "end"]


def test_inputs_after_the_shutdown_are_ignored() -> None:
    harness = serving()
    harness.give(inputs.PipeEnded())
    assert harness.check(CheckResult.BAD) == []
    assert harness.timer is None
    assert harness.engine.view.ending


def test_the_record_is_not_published_after_its_removal() -> None:
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    harness.wait(LEAVE_DELAY)
    assert "publish" not in harness.read(established(up=False))


def test_a_reload_during_shutdown_is_rejected() -> None:
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    with pytest.raises(ValueError, match="about to stop"):
        harness.engine.check(harness.config)
    assert harness.reconfigure(served("web")) == []
    assert set(harness.engine.services) == {"apex"}


def test_shutdown_before_the_start() -> None:
    harness = EngineHarness()
    assert harness.give(inputs.ShutdownRequested()) == []
    assert harness.start() == ["show"]
    assert harness.wait(LEAVE_DELAY) == ["end"]
