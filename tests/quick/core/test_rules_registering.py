"""Rules of the contract, section "Registering"."""

import pytest

from tests.quick.core.harness import ALL_VIPS, reading, serving, taking_over
from tests.quick.core.pools import OWN, SECOND, THIRD
from vipagent.core import events
from vipagent.core.settings import FlapHold
from vipagent.types import CheckResult, Claim, Reason, StoreState


def test_g1_a_node_registers_once_exabgp_has_accepted_its_route() -> None:
    node = reading(accepted=False)
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner"]
    assert node.wait(1) == []
    assert node.send(events.RouteAccepted(OWN)) == ["register 10.0.0.1"]


def test_g1_a_refused_route_is_not_registered() -> None:
    node = reading(accepted=False)
    node.good()
    assert node.send(events.RouteRefused(OWN)) == []
    assert node.send(events.RouteAccepted(OWN)) == ["register 10.0.0.1"]
    assert node.send(events.RouteRefused(OWN)) == ["deregister 10.0.0.1: refused"]


def test_g1_another_vip_s_acceptance_registers_nothing() -> None:
    node = reading(accepted=False)
    node.good()
    assert node.send(events.RouteAccepted(SECOND)) == []


def test_g1_a_withdrawn_route_must_be_accepted_again() -> None:
    node = reading(accepted=False)
    node.good()
    node.send(events.RouteAccepted(OWN))
    node.bad()
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner"]


def test_g1_e5_a_gated_node_registers_with_enough_neighbours() -> None:
    node = reading(require_bgp=2)
    node.neighbors(0)
    assert "announce 10.0.0.1 at rank 0: owner" in node.good()
    assert node.neighbors(1) == []
    assert node.neighbors(2) == ["register 10.0.0.1"]


def test_g2_e5_a_closed_gate_deregisters_and_withdraws_nothing() -> None:
    node = taking_over(require_bgp=1)
    assert node.neighbors(0) == ["deregister 10.0.0.1: no-bgp"], "no route is withdrawn"
    assert node.reason(OWN) == "no-bgp", "still announced, because the session may come up at any time"
    assert node.reason("10.0.0.2") == "takeover"
    assert node.neighbors(1) == ["register 10.0.0.1"]


def test_e5_a_closed_gate_does_not_prevent_a_takeover() -> None:
    node = serving(require_bgp=1)
    node.neighbors(0)
    assert node.members(OWN, "10.0.0.3") == ["announce 10.0.0.2 at rank 1: takeover"]


def test_e5_a_gate_with_unknown_neighbours_is_open() -> None:
    node = reading(require_bgp=1)
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]
    assert node.core.report is not None
    assert node.core.report.neighbors is None
    assert node.neighbors(0) == ["deregister 10.0.0.1: no-bgp"]
    assert node.send(events.NeighborsChanged(None)) == ["register 10.0.0.1"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (events.CheckFinished(CheckResult.BAD), "check-down"),
        (events.CheckFinished(CheckResult.DISABLED), "disabled"),
        (events.MaintenanceSeen(service=True), "maintenance-service"),
        (events.MaintenanceSeen(node=True, now=True), "maintenance-node"),
        (events.StopRequested(), "stopping"),
    ],
)
def test_g2_deregisters_immediately_and_before_withdrawing(event: events.Event, reason: str) -> None:
    node = serving()
    assert node.send(event)[:2] == [f"deregister 10.0.0.1: {reason}", f"withdraw 10.0.0.1: {reason}"]


def test_g3_a_stale_registration_is_replaced() -> None:
    node = reading()
    assert node.holder(Claim.EARLIER_RUN) == []
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (events.CheckFinished(CheckResult.BAD), "check-down"),
        (events.CheckFinished(CheckResult.DISABLED), "disabled"),
        (events.MaintenanceSeen(service=True), "maintenance-service"),
    ],
)
def test_g2_g3_a_stale_registration_is_removed_if_this_run_does_not_serve(
    event: events.Event, reason: str
) -> None:
    """It is replaced first, because only this agent's entries may be removed."""
    node = reading()
    node.holder(Claim.EARLIER_RUN)
    lines = node.send(event)
    assert lines[0] == f"withdraw 10.0.0.1: {reason}"
    assert lines[-1] == "register 10.0.0.1"
    assert node.holder(Claim.OURS) == [f"deregister 10.0.0.1: {reason}"]
    assert node.members(SECOND, THIRD) == []


def test_g2_g3_a_stale_registration_is_removed_in_maintenance() -> None:
    node = reading()
    node.maintenance("node")
    node.holder(Claim.EARLIER_RUN)
    assert node.good()[-1] == "register 10.0.0.1"
    assert node.holder(Claim.OURS) == ["deregister 10.0.0.1: maintenance-node"]


def test_g3_a_stale_registration_may_expire_first() -> None:
    node = reading()
    node.holder(Claim.EARLIER_RUN)
    node.bad()
    assert node.members(SECOND, THIRD) == ["deregister 10.0.0.1: check-down"]


def test_g3_a_node_that_does_not_serve_ignores_a_duplicate_agent() -> None:
    node = serving()
    node.bad()
    node.members(SECOND, THIRD)
    assert node.holder(Claim.SAME_NODE) == []


def test_g3_a_stale_registration_stays_while_the_store_is_away() -> None:
    """The view is outdated: registering could create an entry after the stale one has expired."""
    node = reading()
    node.holder(Claim.EARLIER_RUN)
    node.store(StoreState.LOST)
    assert "register 10.0.0.1" not in node.bad()
    node.store(StoreState.CONNECTED)
    assert node.holder(Claim.EARLIER_RUN) == ["register 10.0.0.1"]


def test_g3_a_registration_of_another_node_is_a_conflict() -> None:
    node = reading()
    node.holder(Claim.OTHER)
    assert node.good() == ["withdraw 10.0.0.1: conflict"], "an earlier run may have announced it"
    assert node.core.report is not None
    assert node.core.report.conflicts == {OWN: "node9"}
    assert node.members(SECOND, THIRD) == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]
    assert node.core.report.conflicts == {}


def test_g3_a_conflict_deregisters() -> None:
    node = serving()
    assert node.holder(Claim.OTHER) == ["deregister 10.0.0.1: conflict", "withdraw 10.0.0.1: conflict"]


def test_g3_a_duplicate_agent_that_replaces_the_registration_is_a_conflict() -> None:
    node = serving()
    assert node.holder(Claim.SAME_NODE) == ["deregister 10.0.0.1: conflict", "withdraw 10.0.0.1: conflict"]
    assert node.holder(Claim.SAME_NODE) + node.wait(60) == []
    assert node.members(SECOND, THIRD) == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_g3_a_node_in_conflict_takes_over_orphans() -> None:
    node = serving()
    node.holder(Claim.OTHER)
    assert node.send(events.MembersSeen({OWN: events.Member(), THIRD: events.Member()})) == [
        "announce 10.0.0.2 at rank 1: takeover"
    ]


def test_l1_a_registration_stays_desired_while_the_store_is_away() -> None:
    node = serving()
    assert node.store(StoreState.LOST) == []
    assert node.bad()[0] == "deregister 10.0.0.1: check-down"


def flapping(hold: FlapHold) -> list[str]:
    """Lose and restore an owner three times within 6 s; return the last actions."""
    node = serving(flap_hold=hold)
    for _ in range(3):
        node.bad()
        node.wait(2)
        lines = node.good()
    return [*lines, "...", *node.wait(100)]


def test_h4_no_flap_hold_by_default() -> None:
    assert flapping(FlapHold()) == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1", "..."]


def test_h4_flap_hold_delays_the_registration() -> None:
    hold = FlapHold(seconds=90, count=3, window=60)
    assert flapping(hold) == [
        "announce 10.0.0.1 at rank 2 draining: flap-hold",
        "...",
        "announce 10.0.0.1 at rank 0: owner",
        "register 10.0.0.1",
    ]


def test_h4_flap_hold_lasts_for_its_full_time() -> None:
    node = serving(flap_hold=FlapHold(seconds=90, count=1, window=60))
    node.bad()
    node.good()
    assert node.wait(89) == []
    assert node.members(SECOND, THIRD) == [], "the losses are now older than the window"
    assert node.wait(1) == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_h4_a_failure_while_held_counts_too() -> None:
    node = serving(flap_hold=FlapHold(seconds=90, count=2, window=60))
    for _ in range(2):
        node.bad()
        node.good()
    for _ in range(5):
        assert node.wait(50) == []
        assert node.bad() == ["withdraw 10.0.0.1: check-down"]
        assert node.good() == ["announce 10.0.0.1 at rank 2 draining: flap-hold"]
    assert node.wait(90) == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_h4_one_loss_of_each_vip_is_no_flapping() -> None:
    """ExaBGP does not reply for a while: the routes fail one after the other."""
    owned = (OWN, SECOND)
    node = serving(flap_hold=FlapHold(seconds=90, count=2, window=60), owned=owned, owners=(owned, (THIRD,)))
    assert node.send(events.RouteRefused(OWN)) == ["deregister 10.0.0.1: refused"]
    assert node.send(events.RouteRefused(SECOND)) == ["deregister 10.0.0.2: refused"]
    assert node.send(events.RouteAccepted(OWN)) == ["register 10.0.0.1"]
    assert node.send(events.RouteRefused(OWN)) == ["deregister 10.0.0.1: refused"]
    assert node.neighbors(2) == [
        "announce 10.0.0.1 at rank 2 draining: flap-hold",
        "announce 10.0.0.2 at rank 2 draining: flap-hold",
    ]


def test_h4_the_removal_of_a_stale_registration_does_not_count() -> None:
    node = reading(flap_hold=FlapHold(seconds=90, count=1, window=60))
    node.holder(Claim.EARLIER_RUN)
    node.neighbors(0)
    assert node.table() == ["register 10.0.0.1"]
    assert node.good() == ["deregister 10.0.0.1: no-bgp", "announce 10.0.0.1 at rank 0: owner"]
    node.members(SECOND, THIRD)
    assert node.neighbors(2) == ["register 10.0.0.1"]


def test_h4_planned_losses_do_not_count() -> None:
    node = serving(flap_hold=FlapHold(seconds=90, count=1, window=60))
    node.maintenance("node")
    node.wait(10)
    node.maintenance()
    assert node.registered == {OWN}


def test_h4_a_held_node_leaves_as_any_other() -> None:
    node = serving(flap_hold=FlapHold(seconds=90, count=1, window=60))
    node.bad()
    node.good()
    assert node.send(events.LeaveRequested()) == []
    assert node.send(events.StopRequested())[0] == "withdraw 10.0.0.1: stopping"


def test_g3_a_stale_registration_is_removed_if_exabgp_has_no_route() -> None:
    """Both were killed: ExaBGP is new, too, and the check has not succeeded `rise` times yet."""
    node = reading(rise=3)
    assert node.holder(Claim.EARLIER_RUN) == []
    assert node.table() == ["register 10.0.0.1"]
    assert node.members(*ALL_VIPS) == ["deregister 10.0.0.1: starting"]
    assert node.members(SECOND, THIRD) == []
    node.good()
    node.good()
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_g3_an_earlier_run_that_registers_again_is_alive() -> None:
    """The same file is used by two agents, and this one does not serve: removing it again would never end."""
    node = reading()
    node.holder(Claim.EARLIER_RUN)
    assert node.bad()[-1] == "register 10.0.0.1"
    assert node.holder(Claim.OURS) == ["deregister 10.0.0.1: check-down"]
    node.members(SECOND, THIRD)
    assert node.holder(Claim.EARLIER_RUN) + node.wait(60) == []


def test_g3_a_stale_registration_stays_while_exabgp_keeps_the_route() -> None:
    """Only the agent was killed."""
    node = reading(rise=3)
    assert node.table(OWN) == []
    assert node.holder(Claim.EARLIER_RUN) == []


def test_g3_a_registration_of_an_unknown_run_stays_until_this_run_announces() -> None:
    """It may be that of a duplicate agent that serves: a copied file must not end its registration."""
    node = reading(rise=3)
    assert node.holder(Claim.SAME_NODE) + node.table() + node.wait(1) == []
    assert "register 10.0.0.1" not in node.bad()


def test_g3_an_unknown_table_removes_nothing() -> None:
    node = reading(rise=3)
    assert node.holder(Claim.EARLIER_RUN) + node.wait(5) == []


def test_g3_another_nodes_registration_is_not_removed() -> None:
    node = reading(rise=3)
    assert node.table() + node.holder(Claim.OTHER) == []


def test_n10_a_rejected_route_is_refused_until_exabgp_accepts_it() -> None:
    node = serving()
    assert node.send(events.RouteRefused(OWN)) == ["deregister 10.0.0.1: refused"]
    assert node.reason(OWN) == Reason.REFUSED
    assert node.send(events.RouteAccepted(OWN)) == ["register 10.0.0.1"]
    assert node.reason(OWN) == Reason.OWNER


def test_n10_a_rejected_takeover_is_refused() -> None:
    node = serving()
    node.members(OWN, THIRD)
    node.send(events.RouteRefused(SECOND))
    assert node.reason(SECOND) == Reason.REFUSED
    node.members(*ALL_VIPS)
    node.wait(10)
    assert node.reason(SECOND) == Reason.STANDBY


def test_n10_a_vip_without_its_family_is_not_registered() -> None:
    node = serving(owned=(OWN, "2001:db8::1"), owners=((OWN, "2001:db8::1"), (SECOND,), (THIRD,)))
    assert node.registered == {OWN, "2001:db8::1"}
    assert node.neighbors(1, {4}) == ["deregister 2001:db8::1: no-family"]
    assert (node.reason(OWN), node.reason("2001:db8::1")) == (Reason.OWNER, Reason.NO_FAMILY)
    assert node.neighbors(1, {4, 6}) == ["register 2001:db8::1"]
    assert node.neighbors(1, None) == [], "unknown is not missing"


def test_e5_unknown_neighbours_are_reported_and_leave_the_gate_open() -> None:
    node = serving()
    assert node.send(events.NeighborsChanged(None)) == []
    assert node.reason(OWN) == Reason.OWNER
    assert node.send(events.NeighborsChanged(None, unseen=True)) == []
    assert node.reason(OWN) == Reason.BGP_UNKNOWN
    assert node.registered == {OWN}


def test_a_vip_that_is_not_local_is_reported_and_stays_registered() -> None:
    node = serving()
    assert node.send(events.AddressesNotLocal(frozenset({OWN, "10.9.9.9"}))) == []
    assert node.reason(OWN) == Reason.NO_ADDRESS
    assert node.registered == {OWN}
    assert node.send(events.AddressesNotLocal(frozenset())) == []
    assert node.reason(OWN) == Reason.OWNER


def test_a_vip_of_another_node_that_is_not_local_is_reported_before_a_takeover() -> None:
    node = serving()
    assert node.send(events.AddressesNotLocal(frozenset({SECOND}))) == []
    assert (node.reason(SECOND), node.reason(THIRD)) == (Reason.NO_ADDRESS, Reason.STANDBY)
    assert node.members(OWN, THIRD) == ["announce 10.0.0.2 at rank 1: takeover"]
    assert node.reason(SECOND) == Reason.NO_ADDRESS
    node.send(events.AddressesNotLocal(frozenset()))
    assert node.reason(SECOND) == Reason.TAKEOVER


def test_the_fault_to_be_repaired_first_is_the_reason() -> None:
    node = serving()
    faults: list[tuple[events.Event, Reason]] = [
        (events.AddressesNotLocal(frozenset({OWN})), Reason.NO_ADDRESS),
        (events.NeighborsChanged(1, frozenset({6})), Reason.NO_FAMILY),
        (events.NeighborsChanged(0, None), Reason.NO_BGP),
        (events.RouteRefused(OWN), Reason.REFUSED),
        (events.MaintenanceSeen(node=True), Reason.DRAINING),
    ]
    for event, reason in faults:
        node.send(event)
        assert node.reason(OWN) == reason


def test_shape_6_the_report_tells_what_exabgp_has() -> None:
    node = serving()
    facts = node.facts(OWN)
    assert (facts.accepted, facts.in_table, facts.local) == (True, None, None)
    node.table(OWN)
    node.send(events.AddressesNotLocal(frozenset({SECOND})))
    facts = node.facts(OWN)
    assert (facts.accepted, facts.in_table, facts.local) == (True, True, True)
    node.members(OWN, THIRD)
    assert node.facts(SECOND).in_table is None, "announced since"
    node.table(OWN, SECOND)
    assert node.facts(SECOND).in_table is True
    node.table()
    assert node.facts(OWN).in_table is False


def test_h4_old_losses_do_not_count() -> None:
    node = serving(flap_hold=FlapHold(seconds=90, count=2, window=60))
    for _ in range(5):
        node.bad()
        node.wait(61)
        assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_unchanged_members_are_not_registered_twice() -> None:
    node = serving()
    assert node.members(*ALL_VIPS) + node.neighbors(3) + node.send(events.RouteAccepted(OWN)) == []
