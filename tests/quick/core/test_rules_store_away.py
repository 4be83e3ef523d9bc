"""Rules of the contract, section "When the store is away"."""

import pytest

from tests.quick.core.harness import ALL_VIPS, CoreHarness, reading, serving, taking_over
from tests.quick.core.pools import OWN, SECOND, THIRD
from vipagent.types import StoreState

AWAY = (StoreState.UNSURE, StoreState.LOST)


@pytest.mark.parametrize("state", AWAY)
def test_l1_losing_the_store_changes_nothing(state: StoreState) -> None:
    node = taking_over()
    assert node.store(state) + node.wait(3600) == []


def test_l1_snapshots_without_a_session_are_ignored() -> None:
    node = taking_over()
    node.store(StoreState.UNSURE)
    assert node.members() + node.wait(60) == []


def test_l1_own_gives_up_takeovers_once_the_session_is_lost() -> None:
    node = taking_over(on_store_loss="own")
    assert node.store(StoreState.UNSURE) == []
    assert node.store(StoreState.LOST) == ["withdraw 10.0.0.2: store-lost"]


def test_l1_withdraw_gives_up_everything() -> None:
    node = taking_over(on_store_loss="withdraw")
    assert node.store(StoreState.UNSURE) == []
    assert node.store(StoreState.LOST) == [
        "deregister 10.0.0.1: store-lost",
        "withdraw 10.0.0.1: store-lost",
        "withdraw 10.0.0.2: store-lost",
    ]


def test_l1_takeovers_resume_with_a_fresh_view_only() -> None:
    node = taking_over(on_store_loss="own")
    node.store(StoreState.LOST)
    assert node.store(StoreState.UNSURE) + node.store(StoreState.CONNECTED) == []
    assert node.members(*ALL_VIPS) + node.wait(60) == [], "its owner has returned in the meantime"


def test_l2_without_a_store_owned_vips_are_announced_after_start_grace() -> None:
    node = CoreHarness()
    assert node.good() == []
    assert node.reason(OWN) == "starting"
    assert node.wait(9.9) == []
    assert node.wait(0.1) == [
        "announce 10.0.0.1 at rank 0: owner",
        "withdraw 10.0.0.2: store-unknown",
        "withdraw 10.0.0.3: store-unknown",
        "register 10.0.0.1",
    ]


def test_l2_start_grace_counts_from_the_start() -> None:
    node = CoreHarness()
    node.wait(11)
    assert node.good()[0] == "announce 10.0.0.1 at rank 0: owner"


def test_l2_the_store_becomes_reachable_later() -> None:
    node = CoreHarness()
    node.good()
    node.wait(3600)
    assert node.store(StoreState.CONNECTED) + node.maintenance() + node.members(SECOND) == []
    assert node.wait(6) == ["announce 10.0.0.3 at rank 1: takeover"]


def test_l3_no_takeover_within_settle_after_a_first_connection() -> None:
    node = reading()
    node.good()
    assert node.members(OWN) == []
    assert node.reason(SECOND) == "settling"
    assert node.wait(5.9) == []
    assert node.members(OWN, THIRD) == []
    assert node.wait(0.1) == ["announce 10.0.0.2 at rank 1: takeover"]


def test_l3_no_takeover_within_settle_after_a_reconnection() -> None:
    node = serving()
    node.store(StoreState.LOST)
    node.wait(30)
    node.store(StoreState.CONNECTED)
    assert node.members() == [], "all sessions may have expired, and other nodes may be slower"
    assert node.wait(5.9) == []
    assert node.wait(0.1) == [
        "announce 10.0.0.2 at rank 1: takeover",
        "announce 10.0.0.3 at rank 1: takeover",
    ]


def test_l3_failed_first_sessions_do_not_end_settle() -> None:
    node = CoreHarness()
    node.wait(1)
    for state in (StoreState.CONNECTED, *AWAY, StoreState.CONNECTED):
        node.store(state)
    node.maintenance()
    node.members(OWN)
    node.good()
    assert (node.reason(SECOND), node.reason(THIRD)) == ("settling", "settling")


def test_l3_a_previous_orphan_is_taken_over_immediately() -> None:
    node = serving()
    node.members(OWN, THIRD)
    node.store(StoreState.LOST)
    node.bad()
    node.good()
    node.store(StoreState.CONNECTED)
    assert node.members(THIRD) == []
    assert node.reason(SECOND) == "takeover"


def test_l3_existing_takeovers_continue_during_settle() -> None:
    node = taking_over()
    node.store(StoreState.LOST)
    node.store(StoreState.CONNECTED)
    assert node.members() == []
    assert node.wait(6) == ["announce 10.0.0.3 at rank 1: takeover"]


def test_l3_repeated_outages_keep_all_presumed_members() -> None:
    node = serving()
    for _ in range(3):
        node.store(StoreState.UNSURE)
        node.store(StoreState.CONNECTED)
        assert node.members() + node.wait(3) == []
    assert node.wait(3) == ["announce 10.0.0.2 at rank 1: takeover", "announce 10.0.0.3 at rank 1: takeover"]


def test_l4_changes_during_an_outage_are_seen_in_the_next_view() -> None:
    node = taking_over()
    node.store(StoreState.LOST)
    node.wait(60)
    node.store(StoreState.CONNECTED)
    assert node.members(OWN, SECOND, THIRD) + node.wait(1.9) == []
    assert node.wait(0.1) == ["withdraw 10.0.0.2: standby"]


def test_l4_a_connection_without_a_snapshot_changes_nothing() -> None:
    node = serving()
    node.store(StoreState.LOST)
    assert node.store(StoreState.CONNECTED) + node.wait(60) == []
