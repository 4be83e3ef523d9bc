"""Rules of the contract, section "Announcing"."""

import pytest

from tests.quick.core.harness import ALL_VIPS, CoreHarness, reading, serving, taking_over
from tests.quick.core.pools import OWN, SECOND, THIRD
from vipagent.core import events
from vipagent.types import StoreState

ALL_FOUR = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
FOUR = tuple((vip,) for vip in ALL_FOUR)


def test_a1_a_good_check_announces_the_own_vip() -> None:
    node = reading()
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_a1_does_not_depend_on_the_store_being_reachable() -> None:
    node = serving()
    node.store(StoreState.LOST)
    assert node.bad() == ["deregister 10.0.0.1: check-down", "withdraw 10.0.0.1: check-down"]
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_a1_a_disabled_node_announces_nothing() -> None:
    node = taking_over()
    assert node.disabled() == [
        "deregister 10.0.0.1: disabled",
        "withdraw 10.0.0.1: disabled",
        "withdraw 10.0.0.2: disabled",
    ]


def test_a1_a_vip_without_address_is_left_to_other_nodes() -> None:
    node = taking_over()
    assert node.addresses_missing(OWN) == ["deregister 10.0.0.1: no-address", "withdraw 10.0.0.1: no-address"]
    assert node.reason(OWN) == "no-address"
    assert node.reason(SECOND) == "takeover", "its address is present"
    assert node.core.report is not None
    assert node.core.report.missing == {OWN: "no permission"}
    assert node.addresses_missing() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]
    assert node.core.report.missing == {}


def test_a1_a_node_that_cannot_serve_every_vip_is_not_relied_on() -> None:
    node = taking_over()
    assert node.addresses_missing(SECOND) == [
        "deregister 10.0.0.1: no-address",
        "withdraw 10.0.0.2: no-address",
    ], "with `one`, another node may rely on it"
    assert node.reason(OWN) == "owner", "still announced, because it can be served"
    assert node.addresses_missing("10.9.0.1") == [
        "announce 10.0.0.2 at rank 1: takeover",
        "register 10.0.0.1",
    ], "VIPs of other services are ignored"


def test_a1_a_vip_without_its_address_is_not_announced_from_the_start() -> None:
    node = CoreHarness()
    assert node.addresses_missing(*ALL_VIPS) == [f"withdraw {vip}: no-address" for vip in ALL_VIPS]
    node.store(StoreState.CONNECTED)
    node.maintenance()
    node.members()
    assert node.good() == []
    assert node.wait(60) == []
    assert node.addresses_missing()[0] == "announce 10.0.0.1 at rank 0: owner"


def test_a1_a_node_may_own_several_vips() -> None:
    node = reading(owned=("10.0.0.1", "10.0.1.1"), owners=(("10.0.0.1", "10.0.1.1"), ("10.0.0.2",)))
    assert node.good() == [
        "announce 10.0.0.1 at rank 0: owner",
        "announce 10.0.1.1 at rank 0: owner",
        "register 10.0.0.1",
        "register 10.0.1.1",
    ]


def test_a1_a_node_alone_in_its_pool_serves() -> None:
    node = reading(owners=(("10.0.0.1",),))
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_a2_every_survivor_takes_an_orphan_over() -> None:
    node = serving(takeover="all")
    assert node.members(OWN, THIRD) == ["announce 10.0.0.2 at rank 1: takeover"]


def test_a2_no_takeover_with_a_failed_check() -> None:
    node = serving()
    node.bad()
    assert node.members(THIRD) == []
    assert node.reason(SECOND) == "check-down"


@pytest.mark.parametrize(
    ("alive", "line"),
    [
        ("1 2 3 4", ""),
        ("1 2", "announce 10.0.0.4 at rank 1: takeover"),
        ("1 2 3", "announce 10.0.0.4 at rank 2: takeover"),
        ("1", "announce 10.0.0.3 at rank 1: takeover"),
        ("1 2", "announce 10.0.0.3 at rank 2: takeover"),
        ("1 2 4", "announce 10.0.0.3 at rank 3: takeover"),
        ("1 4", "announce 10.0.0.2 at rank 1: takeover"),
    ],
)
def test_a2_a3_ranked_survivors_follow_the_order_of_preference(alive: str, line: str) -> None:
    """Order for 10.0.0.4: owners of .3, .1, .2; for 10.0.0.3: owners of .2, .4, .1."""
    node = serving(takeover="ranked", owners=FOUR)
    lines = node.members(*(f"10.0.0.{number}" for number in alive.split()))
    assert (line in lines) if line else (lines == [])


def test_a2_exactly_one_survivor_takes_an_orphan() -> None:
    node = serving(takeover="one", owners=FOUR)
    assert node.members(OWN, SECOND, "10.0.0.4") == [], "10.0.0.2's node comes before us"
    assert node.reason(THIRD) == "standby"
    assert node.members(OWN, "10.0.0.4") == ["announce 10.0.0.2 at rank 1: takeover"]
    assert node.reason(THIRD) == "standby", "10.0.0.4's node comes before us, too"
    assert node.members(OWN) == [
        "announce 10.0.0.3 at rank 1: takeover",
        "announce 10.0.0.4 at rank 1: takeover",
    ]


def test_a2_one_keeps_an_orphan_until_the_better_taker_has_announced_it() -> None:
    """A newly registered node settles for 6 s (L3); 2 s more are allowed for its announcement (H1)."""
    node = serving(takeover="one")
    assert node.members(OWN) == [
        "announce 10.0.0.2 at rank 1: takeover",
        "announce 10.0.0.3 at rank 1: takeover",
    ]
    assert node.members(OWN, SECOND) == [], "the owner of 10.0.0.2 is the taker of 10.0.0.3"
    assert node.wait(7.9) == ["withdraw 10.0.0.2: standby"], "its owner is back"
    assert node.wait(0.2) == ["withdraw 10.0.0.3: standby"]


def test_a2_an_unregistered_node_comes_after_all_registered_ones() -> None:
    """Otherwise two nodes would announce an orphan at the same rank."""
    node = reading(accepted=False, takeover="ranked", owners=FOUR)
    node.good()
    node.wait(60)
    assert node.members(SECOND, THIRD) == ["announce 10.0.0.4 at rank 3: takeover"]
    assert node.members(OWN, SECOND, THIRD) == ["announce 10.0.0.4 at rank 2: takeover"]


def test_a2_a_node_without_owned_vips_takes_over_last() -> None:
    node = serving(owned=(), takeover="one")
    assert node.members(SECOND, THIRD) == [], "other nodes take over 10.0.0.1"
    assert node.members() == [f"announce {vip} at rank 1: takeover" for vip in ALL_VIPS]


def test_a4_hot_standby_announces_while_the_owner_is_alive() -> None:
    node = serving(standby="hot", takeover="ranked")
    node.bad()
    assert node.good() == [
        "announce 10.0.0.1 at rank 0: owner",
        "announce 10.0.0.2 at rank 1: hot-standby",
        "announce 10.0.0.3 at rank 2: hot-standby",
        "register 10.0.0.1",
    ]


def test_a4_hot_standby_keeps_its_route_when_the_owner_dies_and_returns() -> None:
    node = serving(standby="hot")
    assert node.members(OWN, THIRD) == []
    assert node.reason(SECOND) == "takeover"
    assert node.members(*ALL_VIPS) + node.wait(60) == []
    assert node.reason(SECOND) == "hot-standby"


@pytest.mark.parametrize("unknown", ["0.0.0.0/0", "203.0.113.9", "10.0.0.1/32", "", "x\nannounce"])
def test_a5_a_member_that_is_not_configured_is_ignored(unknown: str) -> None:
    node = serving()
    assert node.send(events.MembersSeen({vip: events.Member() for vip in ALL_VIPS[1:]})) == []
    assert node.members(*ALL_VIPS, unknown) == []
    assert node.members(*ALL_VIPS) + node.wait(60) == []


def test_a6_a_repeated_event_changes_nothing() -> None:
    node = taking_over()
    assert node.members(OWN, THIRD) == []
    assert node.maintenance() + node.store(StoreState.CONNECTED) + node.neighbors(1) + node.wait(60) == []
    assert node.send(events.RouteAccepted(OWN)) == []


def test_a6_another_preference_replaces_the_route_without_a_withdrawal() -> None:
    node = serving(takeover="ranked")
    assert node.members(OWN, SECOND) == ["announce 10.0.0.3 at rank 2: takeover"]
    assert "announce 10.0.0.3 at rank 1: takeover" in node.members(OWN)
