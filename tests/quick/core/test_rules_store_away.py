"""The contract's rules, chapter "When the store is away": one example or more for each."""

import pytest

from tests.quick.core.pools import OWN, SECOND, THIRD
from tests.quick.core.story import EVERYBODY, Story, reading, serving, taking_over
from vipagent.types import StoreState

AWAY = (StoreState.UNSURE, StoreState.LOST)


@pytest.mark.parametrize("state", AWAY)
def test_l1_the_store_s_loss_changes_nothing(state: StoreState) -> None:
    node = taking_over()
    assert node.store(state) + node.wait(3600) == []


def test_l1_what_is_told_by_a_session_that_is_away_is_not_believed() -> None:
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


def test_l1_what_was_given_up_comes_back_with_a_new_view_not_with_an_old_one() -> None:
    node = taking_over(on_store_loss="own")
    node.store(StoreState.LOST)
    assert node.store(StoreState.UNSURE) + node.store(StoreState.CONNECTED) == []
    assert node.members(*EVERYBODY) + node.wait(60) == [], "its owner came back meanwhile"


def test_l2_without_a_store_the_own_vip_is_announced_after_the_grace() -> None:
    node = Story()
    assert node.good() == []
    assert node.reason(OWN) == "starting"
    assert node.wait(9.9) == []
    assert node.wait(0.1) == [
        "announce 10.0.0.1 at rank 0: owner",
        "withdraw 10.0.0.2: store-unknown",
        "withdraw 10.0.0.3: store-unknown",
        "register 10.0.0.1",
    ]


def test_l2_the_grace_counts_from_the_start_not_from_the_check() -> None:
    node = Story()
    node.wait(11)
    assert node.good()[0] == "announce 10.0.0.1 at rank 0: owner"


def test_l2_the_store_comes_at_last() -> None:
    node = Story()
    node.good()
    node.wait(3600)
    assert node.store(StoreState.CONNECTED) + node.maintenance() + node.members(SECOND) == []
    assert node.wait(6) == ["announce 10.0.0.3 at rank 1: takeover"]


def test_l3_after_a_first_connection_others_get_time_to_come_back() -> None:
    node = reading()
    node.good()
    assert node.members(OWN) == []
    assert node.reason(SECOND) == "settling"
    assert node.wait(5.9) == []
    assert node.members(OWN, THIRD) == []
    assert node.wait(0.1) == ["announce 10.0.0.2 at rank 1: takeover"]


def test_l3_after_a_reconnection_too() -> None:
    node = serving()
    node.store(StoreState.LOST)
    node.wait(30)
    node.store(StoreState.CONNECTED)
    assert node.members() == [], "all sessions may have ended, and the other nodes be a second slower"
    assert node.wait(5.9) == []
    assert node.wait(0.1) == [
        "announce 10.0.0.2 at rank 1: takeover",
        "announce 10.0.0.3 at rank 1: takeover",
    ]


def test_l3_an_orphan_from_before_is_not_waited_for() -> None:
    node = serving()
    node.members(OWN, THIRD)
    node.store(StoreState.LOST)
    node.bad()
    node.good()
    node.store(StoreState.CONNECTED)
    assert node.members(THIRD) == []
    assert node.reason(SECOND) == "takeover"


def test_l3_what_is_taken_over_stays_so_meanwhile() -> None:
    node = taking_over()
    node.store(StoreState.LOST)
    node.store(StoreState.CONNECTED)
    assert node.members() == []
    assert node.wait(6) == ["announce 10.0.0.3 at rank 1: takeover"]


def test_l3_a_second_outage_meanwhile_forgets_nobody() -> None:
    node = serving()
    for _ in range(3):
        node.store(StoreState.UNSURE)
        node.store(StoreState.CONNECTED)
        assert node.members() + node.wait(3) == []
    assert node.wait(3) == ["announce 10.0.0.2 at rank 1: takeover", "announce 10.0.0.3 at rank 1: takeover"]


def test_l4_what_changed_meanwhile_is_seen_by_the_next_view() -> None:
    node = taking_over()
    node.store(StoreState.LOST)
    node.wait(60)
    node.store(StoreState.CONNECTED)
    assert node.members(OWN, SECOND, THIRD) + node.wait(1.9) == []
    assert node.wait(0.1) == ["withdraw 10.0.0.2: standby"]


def test_l4_a_connection_alone_is_no_view() -> None:
    node = serving()
    node.store(StoreState.LOST)
    assert node.store(StoreState.CONNECTED) + node.wait(60) == []
