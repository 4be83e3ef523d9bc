"""Rules of the contract, section "ExaBGP", as far as the core implements them."""

from dataclasses import replace

from tests.quick.core.harness import ALL_VIPS, reading, serving, taking_over
from tests.quick.core.pools import OWN, OWNERS, SECOND, THIRD
from vipagent.core import events
from vipagent.types import Standby


def test_e2_routes_of_an_earlier_run_are_withdrawn_unless_desired() -> None:
    node = reading()
    node.members(THIRD)
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]
    assert node.wait(2) == ["withdraw 10.0.0.3: standby"], "its owner is alive"
    assert node.wait(4) == ["announce 10.0.0.2 at rank 1: takeover"], "kept until the owner is surely dead"


def test_e2_a_node_started_with_a_failed_check_withdraws_everything() -> None:
    node = reading(fall=2)
    assert node.bad() == []
    assert node.bad() == [f"withdraw {vip}: check-down" for vip in ALL_VIPS]


def test_e3_a_stop_deregisters_and_withdraws_everything() -> None:
    node = taking_over()
    assert node.send(events.StopRequested()) == [
        "deregister 10.0.0.1: stopping",
        "withdraw 10.0.0.1: stopping",
        "withdraw 10.0.0.2: stopping",
    ]
    assert node.good() + node.members() + node.wait(60) == []


def test_e3_a_leaving_node_announces_at_the_lowest_rank() -> None:
    node = taking_over()
    assert node.send(events.LeaveRequested()) == [
        "deregister 10.0.0.1: stopping",
        "announce 10.0.0.1 at rank 2 draining: stopping",
        "announce 10.0.0.2 at rank 2 draining: stopping",
    ]
    assert node.good() + node.members("10.0.0.3") + node.neighbors(0) + node.wait(60) == []
    assert node.send(events.StopRequested()) == ["withdraw 10.0.0.1: stopping", "withdraw 10.0.0.2: stopping"]


def test_e3_a_leaving_node_announces_nothing_new() -> None:
    node = serving()
    assert [line for line in node.send(events.LeaveRequested()) if "announce" in line] == [
        "announce 10.0.0.1 at rank 2 draining: stopping"
    ]
    assert node.members("10.0.0.3") == [], "no takeover while leaving"
    failed = serving()
    for _ in range(3):
        failed.bad()
    assert failed.send(events.LeaveRequested()) == []


def test_e3_a_starting_node_keeps_routes_of_an_earlier_run_until_it_stops() -> None:
    node = reading()
    assert node.send(events.LeaveRequested()) == []
    assert node.good() == []
    assert node.send(events.StopRequested()) == [f"withdraw {vip}: stopping" for vip in ALL_VIPS]


def test_e3_a_stop_withdraws_routes_of_an_earlier_run() -> None:
    node = reading()
    assert node.send(events.StopRequested()) == [f"withdraw {vip}: stopping" for vip in ALL_VIPS]


def test_e3_an_unchanged_configuration_changes_nothing() -> None:
    node = taking_over()
    assert node.send(events.Reconfigured(node.core.settings)) + node.wait(60) == []


def test_e3_a_removed_vip_is_withdrawn() -> None:
    node = taking_over()
    smaller = replace(node.core.settings, owners=((OWN,), (THIRD,)))
    assert node.send(events.Reconfigured(smaller)) == ["withdraw 10.0.0.2: removed"]
    assert node.members(OWN) == ["announce 10.0.0.3 at rank 1: takeover"]


def test_e3_a_removed_owned_vip_is_deregistered_first() -> None:
    node = serving(owned=(OWN, "10.0.1.1"), owners=((OWN, "10.0.1.1"), (SECOND,)))
    smaller = replace(node.core.settings, owned=(OWN,), owners=((OWN,), (SECOND,)))
    assert node.send(events.Reconfigured(smaller)) == [
        "deregister 10.0.1.1: removed",
        "withdraw 10.0.1.1: removed",
    ]


def test_e3_a_vip_with_a_new_owner_is_handed_over() -> None:
    node = serving(owned=(OWN, "10.0.1.1"), owners=((OWN, "10.0.1.1"), (SECOND,)))
    moved = replace(node.core.settings, owned=(OWN,), owners=((OWN,), (SECOND, "10.0.1.1")))
    assert node.send(events.Reconfigured(moved)) == ["deregister 10.0.1.1: removed"], "still announced"
    assert node.wait(6) == ["announce 10.0.1.1 at rank 1: takeover"]
    assert node.members(OWN, SECOND, "10.0.1.1") + node.wait(1.9) == []
    assert node.wait(0.1) == ["withdraw 10.0.1.1: standby"]


def test_e3_a_new_vip_of_another_node_settles_first() -> None:
    node = serving()
    larger = replace(node.core.settings, owners=(*OWNERS, ("10.0.0.4",)))
    assert node.send(events.Reconfigured(larger)) == []
    assert node.reason("10.0.0.4") == "settling"
    assert node.wait(5) == []
    assert node.members(*ALL_VIPS) == [], "its node may not have been reconfigured yet"
    assert node.wait(1) == ["announce 10.0.0.4 at rank 1: takeover"]


def test_e3_a_new_vip_does_not_delay_another_s_takeover() -> None:
    node = serving()
    node.send(events.Reconfigured(replace(node.core.settings, owners=(*OWNERS, ("10.0.0.4",)))))
    assert node.members(OWN, THIRD) == ["announce 10.0.0.2 at rank 1: takeover"]


def test_e3_a_new_policy_takes_effect() -> None:
    node = taking_over()
    assert node.send(events.Reconfigured(replace(node.core.settings, standby=Standby.HOT))) == [
        "announce 10.0.0.3 at rank 1: hot-standby"
    ]


def test_a_timer_that_fires_early_is_set_again() -> None:
    """The event loop may call a timer early by its clock resolution."""
    node = taking_over()
    node.members(*ALL_VIPS)
    due = node.timer
    assert due == node.now + 2
    node.now = due - 1e-9
    node.timer = None
    assert node.send(events.TimerFired()) == []
    assert node.timer == due


def test_a6_a_batch_leads_to_one_decision() -> None:
    node = reading(accepted=False, owned=(OWN, SECOND), owners=((OWN, SECOND), (THIRD,)), require_bgp=1)
    node.good()
    accepted = (events.RouteAccepted(OWN), events.RouteAccepted(SECOND))
    assert node.send(events.Batch((*accepted, events.NeighborsChanged(1)))) == [
        "register 10.0.0.1",
        "register 10.0.0.2",
    ]
    flap = events.NeighborsChanged(0), events.NeighborsChanged(1)
    assert node.send(events.Batch(flap)) == [], "only the last state counts"
    refused = events.RouteRefused(SECOND)
    assert node.send(events.Batch((refused, *accepted[:1]))) == ["deregister 10.0.0.2: refused"]


def test_g1_a_vip_that_becomes_owned_keeps_its_acceptance() -> None:
    node = reading(accepted=False)
    node.good()
    node.members(THIRD)
    node.wait(6)
    node.send(events.Batch((events.RouteAccepted(OWN), events.RouteAccepted(SECOND))))
    ours = replace(node.core.settings, owned=(OWN, SECOND), owners=((OWN, SECOND), (THIRD,)))
    assert "register 10.0.0.2" in node.send(events.Reconfigured(ours))
