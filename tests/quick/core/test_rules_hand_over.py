"""Rules of the contract, section "Hand-over"."""

import pytest

from tests.quick.core.harness import ALL_VIPS, CoreHarness, reading, serving, taking_over
from tests.quick.core.pools import OWN, SECOND, THIRD
from vipagent.types import StoreState


def test_h1_a_taker_keeps_announcing_when_the_owner_is_back() -> None:
    node = taking_over()
    assert node.members(*ALL_VIPS) == []
    assert node.reason(SECOND) == "releasing"
    assert node.wait(1.9) == []
    assert node.wait(0.1) == ["withdraw 10.0.0.2: standby"]


def test_h1_the_delay_restarts_when_the_owner_is_lost_again() -> None:
    node = taking_over()
    node.members(*ALL_VIPS)
    node.wait(1.9)
    assert node.members(OWN, THIRD) + node.wait(60) == []
    assert node.members(*ALL_VIPS) + node.wait(1.9) == []
    assert node.wait(0.1) == ["withdraw 10.0.0.2: standby"]


def test_h1_the_owner_must_be_seen_in_a_fresh_view() -> None:
    node = taking_over()
    node.members(*ALL_VIPS)
    node.store(StoreState.UNSURE)
    assert node.wait(60) == []
    node.store(StoreState.CONNECTED)
    assert node.members(*ALL_VIPS) == ["withdraw 10.0.0.2: standby"]


def test_h2_a_drain_deregisters_first_and_withdraws_later() -> None:
    node = taking_over()
    assert node.maintenance("node") == [
        "deregister 10.0.0.1: draining",
        "announce 10.0.0.1 at rank 2 draining: draining",
        "announce 10.0.0.2 at rank 2 draining: draining",
    ]
    assert node.wait(4.9) == []
    assert node.wait(0.1) == ["withdraw 10.0.0.1: maintenance-node", "withdraw 10.0.0.2: maintenance-node"]


def test_h2_a_draining_node_has_the_lowest_rank() -> None:
    node = serving(takeover="ranked")
    assert node.maintenance("node")[1] == "announce 10.0.0.1 at rank 3 draining: draining"


def test_h2_now_skips_the_drain() -> None:
    node = serving()
    assert node.maintenance("node", "now") == [
        "deregister 10.0.0.1: maintenance-node",
        "withdraw 10.0.0.1: maintenance-node",
    ]


def test_h2_now_cuts_a_drain_short() -> None:
    node = serving()
    node.maintenance("node")
    assert node.maintenance("node", "now") == ["withdraw 10.0.0.1: maintenance-node"]


def test_h2_a_repeated_key_does_not_prolong_the_drain() -> None:
    node = serving()
    node.maintenance("node")
    node.wait(4)
    node.maintenance("node")
    assert node.wait(1) == ["withdraw 10.0.0.1: maintenance-node"]


def test_h2_a_drain_ends_with_the_maintenance() -> None:
    node = serving()
    node.maintenance("node")
    assert node.maintenance() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]
    assert node.wait(60) == []


def test_h2_a_drain_ends_with_the_check() -> None:
    node = serving()
    node.maintenance("node")
    assert node.bad() == ["withdraw 10.0.0.1: check-down"]
    assert node.good() == [], "in maintenance and not announced, so there is nothing to drain"
    assert node.maintenance() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_h2_a_drain_ends_with_the_service_s_maintenance() -> None:
    node = serving()
    node.maintenance("node")
    assert node.maintenance("node", "service") == ["withdraw 10.0.0.1: maintenance-service"]


def test_h2_a_node_that_starts_in_maintenance_announces_nothing() -> None:
    node = CoreHarness()
    node.store(StoreState.CONNECTED)
    node.maintenance("node")
    node.members(SECOND)
    assert node.good() == [f"withdraw {vip}: maintenance-node" for vip in ALL_VIPS]


def test_h3_check_down_withdraws_and_deregisters_at_once() -> None:
    node = taking_over(fall=3)
    assert node.bad() + node.bad() == []
    assert node.bad() == [
        "deregister 10.0.0.1: check-down",
        "withdraw 10.0.0.1: check-down",
        "withdraw 10.0.0.2: check-down",
    ]


def test_h4_nothing_before_rise_good_checks() -> None:
    node = reading(rise=3, fall=3)
    assert node.good() + node.good() + node.bad() + node.good() + node.good() == []
    assert node.good() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]


def test_h4_an_orphan_is_given_back_at_most_once_per_change_of_its_owner() -> None:
    node = taking_over()
    lines = node.members(*ALL_VIPS) + node.wait(60) + node.members(*ALL_VIPS) + node.wait(60)
    assert lines == ["withdraw 10.0.0.2: standby"]


def test_h4_an_owner_that_returns_briefly_changes_nothing() -> None:
    node = taking_over()
    for _ in range(10):
        assert node.members(*ALL_VIPS) + node.wait(1) + node.members(OWN, THIRD) + node.wait(1) == []


def test_h5_a_service_in_maintenance_is_withdrawn_at_once() -> None:
    node = taking_over()
    assert node.maintenance("service") == [
        "deregister 10.0.0.1: maintenance-service",
        "withdraw 10.0.0.1: maintenance-service",
        "withdraw 10.0.0.2: maintenance-service",
    ]
    assert node.members() + node.wait(60) == []


def test_h5_the_key_is_read_before_the_first_announcement() -> None:
    node = CoreHarness()
    assert node.good() == []
    assert node.store(StoreState.CONNECTED) == []
    assert node.members(SECOND) == [], "members, but no maintenance keys yet"
    assert node.maintenance("service") == [f"withdraw {vip}: maintenance-service" for vip in ALL_VIPS]


def test_h5_all_owners_have_time_to_return_afterwards() -> None:
    """All nodes had deregistered; a slower owner does not lose its VIP."""
    node = serving()
    node.maintenance("service")
    node.members()
    assert node.maintenance() == ["announce 10.0.0.1 at rank 0: owner", "register 10.0.0.1"]
    assert node.wait(5) == []
    assert node.members(OWN, SECOND) == []
    assert node.wait(1) == ["announce 10.0.0.3 at rank 1: takeover"]


@pytest.mark.parametrize("asked", ["node", "service"])
def test_h5_maintenance_outlives_the_session(asked: str) -> None:
    node = serving()
    node.maintenance(asked)
    node.wait(60)
    lines = node.store(StoreState.LOST) + node.wait(60) + node.store(StoreState.CONNECTED) + node.members()
    assert lines == []
