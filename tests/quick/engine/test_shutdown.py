"""The end: the others announce first, then all is withdrawn, within a second (E3)."""

import pytest

from tests.quick.core.pools import OWN
from tests.quick.engine.harness import EngineHarness, established, served, serving
from vipagent.engine import inputs
from vipagent.engine.shutdown import LEAVE_DELAY, WITHDRAW_TIMEOUT
from vipagent.types import CheckResult

LOWEST = f"announce route {OWN}/32 next-hop self med 300 community [ 65535:0 ]"
WITHDRAWN = f"withdraw route {OWN}/32"
DEREGISTERED = f"deregister /service/apex/{OWN}"
RECORD_GONE = "deregister /state/apex/node1"


def test_it_deregisters_announces_at_the_lowest_rank_withdraws_and_ends() -> None:
    harness = serving()
    assert harness.give(inputs.ShutdownRequested())[:2] == [DEREGISTERED, LOWEST]
    harness.reply()
    assert harness.give(inputs.ShutdownRequested()) == [], "once is enough"
    assert harness.wait(LEAVE_DELAY - 0.01) == []
    withdrawn = harness.wait(0.01)
    assert withdrawn[0] == WITHDRAWN
    assert withdrawn[-1] == RECORD_GONE
    assert "stop apex" in withdrawn
    assert not harness.ended
    assert harness.reply() == ["end"]


def test_it_waits_no_longer_for_an_exabgp_that_does_not_take_the_withdrawals() -> None:
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    harness.wait(LEAVE_DELAY)
    assert harness.wait(WITHDRAW_TIMEOUT)[-1:] == ["end"]


def test_what_waited_for_a_reply_is_withdrawn_in_the_very_end() -> None:
    """Its last command was not answered, and what meets in one flush may change places."""
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    assert WITHDRAWN not in harness.wait(LEAVE_DELAY), "the lowest rank is still in flight"
    assert harness.wait(WITHDRAW_TIMEOUT) == [WITHDRAWN, "end"]


def test_it_withdraws_though_exabgp_does_not_read() -> None:
    harness = serving()
    harness.give(inputs.PipeCongested(congested=True))
    harness.give(inputs.ShutdownRequested())
    assert WITHDRAWN in harness.wait(LEAVE_DELAY)


@pytest.mark.parametrize("asked", [False, True], ids=["before", "while-leaving"])
def test_the_others_need_no_time_if_exabgp_says_that_it_ends(asked: bool) -> None:
    harness = serving()
    if asked:
        harness.give(inputs.ShutdownRequested())
        harness.reply()
    lines = harness.read(established(up=False), "shutdown 1 2")
    assert WITHDRAWN in lines
    assert lines[-1] == RECORD_GONE
    assert LOWEST not in lines
    assert harness.reply() == ["end"]


def test_the_others_need_no_time_if_exabgp_hangs() -> None:
    harness = serving()
    harness.wait(10)
    assert WITHDRAWN in harness.give(inputs.ShutdownRequested())


def test_nothing_is_written_to_an_exabgp_that_is_gone() -> None:
    harness = serving()
    lines = harness.give(inputs.PipeEnded())
    assert lines[0] == DEREGISTERED
    assert lines[-2:] == [RECORD_GONE, "end"]
    assert not [line for line in lines if "route" in line]


def test_exabgp_may_go_while_it_is_left() -> None:
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    assert harness.give(inputs.PipeEnded())[-2:] == [RECORD_GONE, "end"]


def test_nothing_happens_after_the_end() -> None:
    harness = serving()
    harness.give(inputs.PipeEnded())
    assert harness.check(CheckResult.BAD) == []
    assert harness.timer is None
    assert harness.engine.view.ending


def test_nothing_is_published_after_the_record_is_gone() -> None:
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    harness.wait(LEAVE_DELAY)
    assert "publish" not in harness.read(established(up=False))


def test_a_reload_comes_too_late() -> None:
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    with pytest.raises(ValueError, match="about to stop"):
        harness.engine.check(harness.config)
    assert harness.reconfigure(served("web")) == []
    assert set(harness.engine.services) == {"apex"}


def test_it_ends_before_it_has_started() -> None:
    harness = EngineHarness()
    assert harness.give(inputs.ShutdownRequested()) == []
    assert harness.start() == ["show"]
    assert harness.wait(LEAVE_DELAY) == ["end"]
