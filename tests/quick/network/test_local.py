"""Which VIPs are checked, and when."""

import pytest

from vipagent.network import local
from vipagent.network.local import FULL_CHECK_INTERVAL, LocalVips
from vipagent.network.netlink import AddressChanged

VIPS = frozenset({"10.3.0.1", "10.4.0.0/24", "10.4.0.0/25", "2001:db8::1"})


@pytest.fixture
def vips() -> LocalVips:
    found = LocalVips()
    found.replace(VIPS, 0)
    return found


def check(vips: LocalVips, now: float, *, local: bool) -> set[str]:
    """Check all pending VIPs, and return them."""
    found = set[str]()
    while batch := vips.next_batch(3, now):
        assert len(batch) <= 3
        found.update(batch)
        for vip in batch:
            vips.checked(vip, local=local)
    return found


def changed(address: str, *, network: bool = False) -> AddressChanged:
    return AddressChanged(1, address, network)


def test_first_result_is_reported_even_if_empty(vips: LocalVips) -> None:
    assert vips.delay(0) == 0
    assert vips.change() is None
    assert check(vips, 0, local=True) == VIPS
    assert vips.change() == frozenset()
    assert vips.change() is None
    assert vips.delay(0) == FULL_CHECK_INTERVAL


def test_nothing_is_reported_without_vips() -> None:
    vips = LocalVips()
    vips.address_changed(changed("10.3.0.1", network=True), on_loopback=True)
    assert vips.next_batch(3, 99) == []
    assert vips.change() is None
    assert vips.delay(99) == FULL_CHECK_INTERVAL


def test_all_are_checked_again_after_a_while(vips: LocalVips) -> None:
    check(vips, 0, local=True)
    assert vips.next_batch(3, FULL_CHECK_INTERVAL - 0.1) == []
    assert check(vips, FULL_CHECK_INTERVAL, local=False) == VIPS
    assert vips.change() == VIPS


def test_interval_follows_the_number() -> None:
    vips, number = LocalVips(), 10_000
    vips.replace({str(vip) for vip in range(number)}, 0)
    while batch := vips.next_batch(1000, 0):
        assert len(batch) == 1000
    assert vips.delay(0) == number * local.SECONDS_PER_VIP


def test_changed_address_is_checked_at_once(vips: LocalVips) -> None:
    check(vips, 0, local=False)
    assert vips.change() == VIPS
    vips.address_changed(changed("10.3.0.1"), on_loopback=True)
    vips.address_changed(changed("10.4.0.0"), on_loopback=False)
    vips.address_changed(changed("192.0.2.1"), on_loopback=True)
    assert vips.delay(1) == 0
    assert check(vips, 1, local=True) == {"10.3.0.1", "10.4.0.0/24", "10.4.0.0/25"}
    assert vips.change() == frozenset({"2001:db8::1"})


def test_prefix_on_the_loopback_interface_makes_others_local(vips: LocalVips) -> None:
    check(vips, 0, local=False)
    vips.address_changed(changed("10.3.0.99", network=True), on_loopback=False)
    assert check(vips, 1, local=True) == set()
    vips.address_changed(changed("10.3.0.99", network=True), on_loopback=True)
    assert check(vips, 1, local=True) == VIPS


def test_replaced_vips_are_forgotten(vips: LocalVips) -> None:
    check(vips, 0, local=False)
    assert vips.change() == VIPS
    vips.replace({"10.3.0.1", "10.5.0.1"}, 1)
    vips.checked("2001:db8::1", local=False)  # asked for before
    assert vips.change() is None
    assert vips.next_batch(3, 1)
    assert vips.change() == frozenset({"10.3.0.1"})
