"""An ExaBGP that reads and executes commands, but does not answer any more (E1, N2)."""

import sys
from pathlib import Path

import pytest

from tests.exabgp import relay
from tests.exabgp.box import OTHERS_ROUTE, Box, boxes

VIP = "10.20.255.1"
GATE_CLOSED = "ExaBGP does not answer, closing the BGP gate"
GATE_OPENED = "ExaBGP answers again"
WITHDRAWN_WITHIN = 10.0
"""Maximum time in seconds from a failing check to the withdrawal."""


def through_relay(directory: Path) -> list[str]:
    """Return the command prefix of an agent whose ExaBGP is silent while the file `mute` exists."""
    return [sys.executable, relay.__file__, str(directory / "mute")]


def configure(box: Box, directory: Path) -> None:
    check = f"test ! -e {directory / 'fails'}"
    box.configure({"apex": {"auth_ip": VIP, "command": check, "interval": 0.3, "rise": 1, "fall": 1}})


@pytest.mark.parametrize(("answers", "within"), [("", 10.0), (relay.LOSE, 70.0)], ids=["late", "lost"])
def test_changes_reach_an_exabgp_that_stops_answering(tmp_path: Path, answers: str, within: float) -> None:
    """If the answers are lost, the agent queries again after `POLL_TIMEOUT`."""
    mute, fails = tmp_path / "mute", tmp_path / "fails"
    with boxes(tmp_path, agent_prefix=through_relay(tmp_path)) as both:
        for box in both:
            configure(box, tmp_path)
            box.launch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, VIP: 100})
            box.wait_for_log(" register service=apex")
        mute.write_text(answers)
        for box in both:
            box.wait_for_log(GATE_CLOSED)
            box.wait_for_log("deregister service=apex")
            assert box.table() == {OTHERS_ROUTE: None, VIP: 100}
        fails.touch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None}, WITHDRAWN_WITHIN)
        fails.unlink()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, VIP: 100}, WITHDRAWN_WITHIN)
            assert box.agent_log().count(" register service=apex") == 1
        mute.unlink()
        for box in both:
            box.wait_for_log(GATE_OPENED, within=within)
            box.wait_for_log(" register service=apex", count=2)
            assert box.table() == {OTHERS_ROUTE: None, VIP: 100}


def test_a_check_that_fails_when_the_silence_begins_is_withdrawn(tmp_path: Path) -> None:
    """The withdrawal is sent before it is known that it will not be answered."""
    with boxes(tmp_path, agent_prefix=through_relay(tmp_path)) as both:
        for box in both:
            configure(box, tmp_path)
            box.launch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, VIP: 100})
        (tmp_path / "mute").touch()
        (tmp_path / "fails").touch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None}, WITHDRAWN_WITHIN)
