"""The contract's rules, chapter "ExaBGP", as far as the core is concerned; the rest is the speaker's."""

from dataclasses import replace

from tests.quick.core.pools import OWN, OWNERS, SECOND, THIRD
from tests.quick.core.story import EVERYBODY, reading, serving, taking_over
from vipagent.core import events
from vipagent.types import Standby


def test_e2_what_an_earlier_run_may_have_announced_is_withdrawn_unless_it_is_wanted() -> None:
    node = reading()
    node.members(THIRD)
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]
    assert node.wait(2) == ["withdraw 10.0.0.3: standby"], "its owner is there"
    assert node.wait(4) == ["announce 10.0.0.2 at rank 1: takeover"], "kept until this is sure"


def test_e2_a_node_that_comes_up_with_a_failed_check_withdraws_all() -> None:
    node = reading(fall=2)
    assert node.bad() == []
    assert node.bad() == [f"withdraw {vip}: check-down" for vip in EVERYBODY]


def test_e3_a_stop_deregisters_and_withdraws_everything() -> None:
    node = taking_over()
    assert node.tell(events.StopRequested()) == [
        "deregister 10.0.0.1: stopping",
        "withdraw 10.0.0.1: stopping",
        "withdraw 10.0.0.2: stopping",
    ]
    assert node.good() + node.members() + node.wait(60) == []


def test_e3_before_it_stops_the_others_get_time_to_announce() -> None:
    node = taking_over()
    assert node.tell(events.LeaveRequested()) == [
        "deregister 10.0.0.1: stopping",
        "announce 10.0.0.1 at rank 2 draining: stopping",
        "announce 10.0.0.2 at rank 2 draining: stopping",
    ]
    assert node.good() + node.members("10.0.0.3") + node.neighbors(0) + node.wait(60) == []
    assert node.tell(events.StopRequested()) == ["withdraw 10.0.0.1: stopping", "withdraw 10.0.0.2: stopping"]


def test_e3_what_is_not_announced_is_not_announced_for_a_last_time() -> None:
    node = serving()
    assert [line for line in node.tell(events.LeaveRequested()) if "announce" in line] == [
        "announce 10.0.0.1 at rank 2 draining: stopping"
    ]
    assert node.members("10.0.0.3") == [], "nothing is taken over on the way out"
    failed = serving()
    for _ in range(3):
        failed.bad()
    assert failed.tell(events.LeaveRequested()) == []


def test_e3_a_node_that_was_still_starting_leaves_what_an_earlier_run_announces_until_it_stops() -> None:
    node = reading()
    assert node.tell(events.LeaveRequested()) == []
    assert node.good() == []
    assert node.tell(events.StopRequested()) == [f"withdraw {vip}: stopping" for vip in EVERYBODY]


def test_e3_a_stop_withdraws_what_only_an_earlier_run_announced() -> None:
    node = reading()
    assert node.tell(events.StopRequested()) == [f"withdraw {vip}: stopping" for vip in EVERYBODY]


def test_e3_the_same_configuration_touches_nothing() -> None:
    node = taking_over()
    assert node.tell(events.Reconfigured(node.core.settings)) + node.wait(60) == []


def test_e3_a_vip_that_is_no_longer_configured_goes() -> None:
    node = taking_over()
    smaller = replace(node.core.settings, owners=((OWN,), (THIRD,)))
    assert node.tell(events.Reconfigured(smaller)) == ["withdraw 10.0.0.2: removed"]
    assert node.members(OWN) == ["announce 10.0.0.3 at rank 1: takeover"]


def test_e3_an_owned_vip_that_is_no_longer_configured_is_deregistered_first() -> None:
    node = serving(owned=(OWN, "10.0.1.1"), owners=((OWN, "10.0.1.1"), (SECOND,)))
    smaller = replace(node.core.settings, owned=(OWN,), owners=((OWN,), (SECOND,)))
    assert node.tell(events.Reconfigured(smaller)) == [
        "deregister 10.0.1.1: removed",
        "withdraw 10.0.1.1: removed",
    ]


def test_e3_a_vip_that_another_node_owns_from_now_on_is_left_to_it() -> None:
    node = serving(owned=(OWN, "10.0.1.1"), owners=((OWN, "10.0.1.1"), (SECOND,)))
    moved = replace(node.core.settings, owned=(OWN,), owners=((OWN,), (SECOND, "10.0.1.1")))
    assert node.tell(events.Reconfigured(moved)) == ["deregister 10.0.1.1: removed"], "still announced"
    assert node.wait(6) == ["announce 10.0.1.1 at rank 1: takeover"]
    assert node.members(OWN, SECOND, "10.0.1.1") + node.wait(1.9) == []
    assert node.wait(0.1) == ["withdraw 10.0.1.1: standby"]


def test_e3_a_new_vip_of_another_node_is_no_orphan_before_the_store_was_asked() -> None:
    node = serving()
    larger = replace(node.core.settings, owners=(*OWNERS, ("10.0.0.4",)))
    assert node.tell(events.Reconfigured(larger)) == []
    assert node.reason("10.0.0.4") == "settling"
    assert node.wait(5) == []
    assert node.members(*EVERYBODY) == [], "its node's agent has not been told yet, maybe"
    assert node.wait(1) == ["announce 10.0.0.4 at rank 1: takeover"]


def test_e3_a_new_vip_does_not_delay_another_s_takeover() -> None:
    node = serving()
    node.tell(events.Reconfigured(replace(node.core.settings, owners=(*OWNERS, ("10.0.0.4",)))))
    assert node.members(OWN, THIRD) == ["announce 10.0.0.2 at rank 1: takeover"]


def test_e3_another_policy_applies_to_what_is_announced() -> None:
    node = taking_over()
    assert node.tell(events.Reconfigured(replace(node.core.settings, standby=Standby.HOT))) == [
        "announce 10.0.0.3 at rank 1: hot-standby"
    ]


def test_a_timer_that_fires_early_is_set_again() -> None:
    """A loop's clock may be a hair behind the time that it was asked for."""
    node = taking_over()
    node.members(*EVERYBODY)
    due = node.timer
    assert due == node.now + 2
    node.now = due - 1e-9
    node.timer = None
    assert node.tell(events.TimerFired()) == []
    assert node.timer == due


def test_a6_what_becomes_known_at_once_is_decided_on_once() -> None:
    node = reading(accepted=False, owned=(OWN, SECOND), owners=((OWN, SECOND), (THIRD,)), require_bgp=1)
    node.good()
    accepted = (events.RouteAccepted(OWN), events.RouteAccepted(SECOND))
    assert node.tell(events.Batch((*accepted, events.NeighborsChanged(1)))) == [
        "register 10.0.0.1",
        "register 10.0.0.2",
    ]
    flap = events.NeighborsChanged(0), events.NeighborsChanged(1)
    assert node.tell(events.Batch(flap)) == [], "only what is true in the end counts"
    refused = events.RouteRefused(SECOND)
    assert node.tell(events.Batch((refused, *accepted[:1]))) == ["deregister 10.0.0.2: refused"]


def test_g1_another_s_vip_that_becomes_ours_has_been_accepted_already() -> None:
    node = reading(accepted=False)
    node.good()
    node.members(THIRD)
    node.wait(6)
    node.tell(events.Batch((events.RouteAccepted(OWN), events.RouteAccepted(SECOND))))
    ours = replace(node.core.settings, owned=(OWN, SECOND), owners=((OWN, SECOND), (THIRD,)))
    assert "register 10.0.0.2" in node.tell(events.Reconfigured(ours))
