"""The end: the others announce first, then all is withdrawn, within a second (E3)."""

import pytest

from tests.quick.core.pools import OWN
from tests.quick.engine.driven import Driven, established, served, serving
from vipagent.engine import inputs
from vipagent.engine.shutdown import LEAVE_DELAY, WITHDRAW_TIMEOUT
from vipagent.types import CheckResult

LOWEST = f"announce route {OWN}/32 next-hop self med 300 community [ 65535:0 ]"
WITHDRAWN = f"withdraw route {OWN}/32"
DEREGISTERED = f"deregister /service/apex/{OWN}"
RECORD_GONE = "deregister /state/apex/node1"


def test_it_deregisters_announces_at_the_lowest_rank_withdraws_and_ends() -> None:
    driven = serving()
    assert driven.give(inputs.ShutdownRequested())[:2] == [DEREGISTERED, LOWEST]
    driven.reply()
    assert driven.give(inputs.ShutdownRequested()) == [], "once is enough"
    assert driven.wait(LEAVE_DELAY - 0.01) == []
    withdrawn = driven.wait(0.01)
    assert withdrawn[0] == WITHDRAWN
    assert withdrawn[-1] == RECORD_GONE
    assert "stop apex" in withdrawn
    assert not driven.ended
    assert driven.reply() == ["end"]


def test_it_waits_no_longer_for_an_exabgp_that_does_not_take_the_withdrawals() -> None:
    driven = serving()
    driven.give(inputs.ShutdownRequested())
    driven.wait(LEAVE_DELAY)
    assert driven.wait(WITHDRAW_TIMEOUT)[-1:] == ["end"]


def test_what_waited_for_a_reply_is_withdrawn_in_the_very_end() -> None:
    """Its last command was not answered, and what meets in one flush may change places."""
    driven = serving()
    driven.give(inputs.ShutdownRequested())
    assert WITHDRAWN not in driven.wait(LEAVE_DELAY), "the lowest rank is still in flight"
    assert driven.wait(WITHDRAW_TIMEOUT) == [WITHDRAWN, "end"]


def test_it_withdraws_though_exabgp_does_not_read() -> None:
    driven = serving()
    driven.give(inputs.PipeCongested(congested=True))
    driven.give(inputs.ShutdownRequested())
    assert WITHDRAWN in driven.wait(LEAVE_DELAY)


@pytest.mark.parametrize("asked", [False, True], ids=["before", "while-leaving"])
def test_the_others_need_no_time_if_exabgp_says_that_it_ends(asked: bool) -> None:
    driven = serving()
    if asked:
        driven.give(inputs.ShutdownRequested())
        driven.reply()
    lines = driven.read(established(up=False), "shutdown 1 2")
    assert WITHDRAWN in lines
    assert lines[-1] == RECORD_GONE
    assert LOWEST not in lines
    assert driven.reply() == ["end"]


def test_the_others_need_no_time_if_exabgp_hangs() -> None:
    driven = serving()
    driven.wait(10)
    assert WITHDRAWN in driven.give(inputs.ShutdownRequested())


def test_nothing_is_written_to_an_exabgp_that_is_gone() -> None:
    driven = serving()
    lines = driven.give(inputs.PipeEnded())
    assert lines[0] == DEREGISTERED
    assert lines[-2:] == [RECORD_GONE, "end"]
    assert not [line for line in lines if "route" in line]


def test_exabgp_may_go_while_it_is_left() -> None:
    driven = serving()
    driven.give(inputs.ShutdownRequested())
    assert driven.give(inputs.PipeEnded())[-2:] == [RECORD_GONE, "end"]


def test_nothing_happens_after_the_end() -> None:
    driven = serving()
    driven.give(inputs.PipeEnded())
    assert driven.check(CheckResult.BAD) == []
    assert driven.timer is None
    assert driven.engine.view.ending


def test_nothing_is_published_after_the_record_is_gone() -> None:
    driven = serving()
    driven.give(inputs.ShutdownRequested())
    driven.wait(LEAVE_DELAY)
    assert "publish" not in driven.read(established(up=False))


def test_a_reload_comes_too_late() -> None:
    driven = serving()
    driven.give(inputs.ShutdownRequested())
    with pytest.raises(ValueError, match="about to stop"):
        driven.engine.check(driven.config)
    assert driven.reconfigure(served("web")) == []
    assert set(driven.engine.services) == {"apex"}


def test_it_ends_before_it_has_started() -> None:
    driven = Driven()
    assert driven.give(inputs.ShutdownRequested()) == []
    assert driven.start() == ["show"]
    assert driven.wait(LEAVE_DELAY) == ["end"]
