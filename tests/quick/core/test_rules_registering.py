"""The contract's rules, chapter "Registering": one example or more for each."""

import pytest

from tests.quick.core.pools import OWN, SECOND, THIRD
from tests.quick.core.story import EVERYBODY, reading, serving, taking_over
from vipagent.core import events
from vipagent.core.settings import FlapHold
from vipagent.types import CheckResult, Claim, StoreState


def test_g1_a_node_registers_once_exabgp_has_accepted_its_route() -> None:
    node = reading(accepted=False)
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner"]
    assert node.wait(1) == []
    assert node.tell(events.RouteAccepted(OWN)) == ["register 10.0.0.1"]


def test_g1_a_refused_route_is_not_registered() -> None:
    node = reading(accepted=False)
    node.good()
    assert node.tell(events.RouteRefused(OWN)) == []
    assert node.tell(events.RouteAccepted(OWN)) == ["register 10.0.0.1"]
    assert node.tell(events.RouteRefused(OWN)) == ["deregister 10.0.0.1: refused"]


def test_g1_another_vip_s_acceptance_registers_nothing() -> None:
    node = reading(accepted=False)
    node.good()
    assert node.tell(events.RouteAccepted(SECOND)) == []


def test_g1_a_route_that_was_withdrawn_has_to_be_accepted_anew() -> None:
    node = reading(accepted=False)
    node.good()
    node.tell(events.RouteAccepted(OWN))
    node.bad()
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner"]


def test_g1_e5_a_gated_node_registers_with_enough_neighbours() -> None:
    node = reading(require_bgp=2)
    node.neighbors(0)
    assert "announce 10.0.0.1 at rank 0: no-bgp" in node.good()
    assert node.neighbors(1) == []
    assert node.neighbors(2) == ["register 10.0.0.1"]


def test_g2_e5_a_gated_node_without_them_leaves_its_vip_to_the_others() -> None:
    node = taking_over(require_bgp=1)
    assert node.neighbors(0) == ["deregister 10.0.0.1: no-bgp"], "no route is withdrawn"
    assert node.reason(OWN) == "no-bgp", "still announced: the session may come up any moment"
    assert node.reason("10.0.0.2") == "takeover"
    assert node.neighbors(1) == ["register 10.0.0.1"]


def test_e5_a_closed_gate_bars_no_takeover() -> None:
    node = serving(require_bgp=1)
    node.neighbors(0)
    assert node.members(OWN, "10.0.0.3") == ["announce 10.0.0.2 at rank 1: takeover"]


def test_e5_a_gate_that_cannot_see_is_open() -> None:
    node = reading(require_bgp=1)
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]
    assert node.core.report is not None
    assert node.core.report.neighbors is None
    assert node.neighbors(0) == ["deregister 10.0.0.1: no-bgp"]
    assert node.tell(events.NeighborsChanged(None)) == ["register 10.0.0.1"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (events.Checked(CheckResult.BAD), "check-down"),
        (events.Checked(CheckResult.DISABLED), "disabled"),
        (events.MaintenanceSeen(service=True), "maintenance-service"),
        (events.MaintenanceSeen(node=True, now=True), "maintenance-node"),
        (events.StopRequested(), "stopping"),
    ],
)
def test_g2_it_deregisters_at_once_and_before_it_withdraws(event: events.Event, reason: str) -> None:
    node = serving()
    assert node.tell(event)[:2] == [f"deregister 10.0.0.1: {reason}", f"withdraw 10.0.0.1: {reason}"]


def test_g3_what_an_earlier_run_of_this_node_left_is_replaced() -> None:
    node = reading()
    assert node.holder(Claim.SAME_NODE) == []
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (events.Checked(CheckResult.BAD), "check-down"),
        (events.Checked(CheckResult.DISABLED), "disabled"),
        (events.MaintenanceSeen(service=True), "maintenance-service"),
    ],
)
def test_g2_g3_what_an_earlier_run_left_goes_at_once_if_this_one_does_not_serve(
    event: events.Event, reason: str
) -> None:
    """Not with the earlier run's session: it is made ours first, because only what is ours may be removed."""
    node = reading()
    node.holder(Claim.SAME_NODE)
    said = node.tell(event)
    assert said[0] == f"withdraw 10.0.0.1: {reason}"
    assert said[-1] == "register 10.0.0.1"
    assert node.holder(Claim.OURS) == [f"deregister 10.0.0.1: {reason}"]
    assert node.members(SECOND, THIRD) == []


def test_g2_g3_what_an_earlier_run_left_goes_at_once_in_maintenance() -> None:
    node = reading()
    node.maintenance("node")
    node.holder(Claim.SAME_NODE)
    assert node.good()[-1] == "register 10.0.0.1"
    assert node.holder(Claim.OURS) == ["deregister 10.0.0.1: maintenance-node"]


def test_g3_what_an_earlier_run_left_may_end_by_itself_first() -> None:
    node = reading()
    node.holder(Claim.SAME_NODE)
    node.bad()
    assert node.members(SECOND, THIRD) == ["deregister 10.0.0.1: check-down"]


def test_g3_a_twin_is_left_alone_by_one_that_does_not_serve() -> None:
    node = serving()
    node.bad()
    node.members(SECOND, THIRD)
    assert node.holder(Claim.SAME_NODE) == []


def test_g3_what_an_earlier_run_left_is_left_while_the_store_is_away() -> None:
    """The view is an old one: to register would make an entry where there may be none any more."""
    node = reading()
    node.holder(Claim.SAME_NODE)
    node.store(StoreState.LOST)
    assert "register 10.0.0.1" not in node.bad()
    node.store(StoreState.CONNECTED)
    assert node.holder(Claim.SAME_NODE) == ["register 10.0.0.1"]


def test_g3_what_another_node_holds_is_a_conflict() -> None:
    node = reading()
    node.holder(Claim.OTHER)
    assert node.good() == ["withdraw 10.0.0.1: conflict"], "an earlier run may have announced it"
    assert node.core.report is not None
    assert node.core.report.conflicts == {OWN: "node9"}
    assert node.members(SECOND, THIRD) == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]
    assert node.core.report.conflicts == {}


def test_g3_a_conflict_takes_the_registration_back() -> None:
    node = serving()
    assert node.holder(Claim.OTHER) == ["deregister 10.0.0.1: conflict", "withdraw 10.0.0.1: conflict"]


def test_g3_a_twin_that_has_replaced_us_is_a_conflict_until_it_is_gone() -> None:
    node = serving()
    assert node.holder(Claim.SAME_NODE) == ["deregister 10.0.0.1: conflict", "withdraw 10.0.0.1: conflict"]
    assert node.holder(Claim.SAME_NODE) + node.wait(60) == []
    assert node.members(SECOND, THIRD) == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_g3_a_node_in_conflict_still_helps_with_orphans() -> None:
    node = serving()
    node.holder(Claim.OTHER)
    assert node.tell(events.MembersSeen({OWN: events.Member(), THIRD: events.Member()})) == [
        "announce 10.0.0.2 at rank 1: takeover"
    ]


def test_l1_a_registration_is_wished_for_while_the_store_is_away() -> None:
    node = serving()
    assert node.store(StoreState.LOST) == []
    assert node.bad()[0] == "deregister 10.0.0.1: check-down"


def flapping(hold: FlapHold) -> list[str]:
    """Let a node go and come three times within 6 s; return what its last return brings."""
    node = serving(flap_hold=hold)
    for _ in range(3):
        node.bad()
        node.wait(2)
        said = node.good()
    return [*said, "...", *node.wait(100)]


def test_h4_an_owner_may_come_and_go_as_it_likes_by_default() -> None:
    assert flapping(FlapHold()) == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1", "..."]


def test_h4_an_owner_that_flaps_has_to_stay_up_longer_where_that_is_asked_for() -> None:
    hold = FlapHold(seconds=90, count=3, window=60)
    assert flapping(hold) == ["announce 10.0.0.1 at rank 0: owner", "...", "register 10.0.0.1"]


def test_h4_it_is_held_for_all_of_that_time_whatever_happens_meanwhile() -> None:
    node = serving(flap_hold=FlapHold(seconds=90, count=1, window=60))
    node.bad()
    node.good()
    assert node.wait(89) == []
    assert node.members(SECOND, THIRD) == [], "the losses are older than the window by now"
    assert node.wait(1) == ["register 10.0.0.1"]


def test_h4_losses_that_are_long_ago_do_not_count() -> None:
    node = serving(flap_hold=FlapHold(seconds=90, count=2, window=60))
    for _ in range(5):
        node.bad()
        node.wait(61)
        assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_members_that_stay_are_not_registered_twice() -> None:
    node = serving()
    assert node.members(*EVERYBODY) + node.neighbors(3) + node.tell(events.RouteAccepted(OWN)) == []
