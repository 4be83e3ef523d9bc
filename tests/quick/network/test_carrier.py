"""Which neighbours are down, by interface and route."""

import pytest

from vipagent.network import carrier
from vipagent.network.carrier import Carrier
from vipagent.network.netlink import IFF_LOOPBACK, IFF_LOWER_UP, IFF_UP, Interface, Route

ON_LINK, BEHIND, LINK_LOCAL = "10.1.0.2", "10.9.0.1", "fe80::2%eth1"
ETH1, ETH2 = 1, 2
DIRECT, OTHER_DIRECT = Route(frozenset({ETH1})), Route(frozenset({ETH2}))
BY_GATEWAY, OTHER_GATEWAY = (Route(frozenset({index}), on_link=False) for index in (ETH1, ETH2))


def interface(index: int, *, up: bool = True, name: str = "") -> Interface:
    return Interface(index, name or f"eth{index}", IFF_UP | IFF_LOWER_UP if up else IFF_UP, 0)


@pytest.fixture
def followed() -> Carrier:
    found = Carrier()
    for index in (ETH1, ETH2):
        found.interface_changed(interface(index))
    found.follow({ON_LINK, BEHIND, LINK_LOCAL})
    found.route_read(ON_LINK, DIRECT, 0)
    found.route_read(BEHIND, BY_GATEWAY, 0)
    assert found.down() == {}
    return found


def test_routes_are_needed_only_where_they_tell_the_interface() -> None:
    found = Carrier()
    found.follow({"10.1.0.2", "2001:db8::2", "fe80::2", "fe80::2%eth1", "no address"})
    assert found.addresses.keys() == {"10.1.0.2", "2001:db8::2"}
    assert sorted(map(len, found.addresses.values())) == [4, 16]


def test_interfaces_by_which_the_neighbours_are_reached(followed: Carrier) -> None:
    assert followed.reached_by() == {ON_LINK: "eth1", BEHIND: "eth1", LINK_LOCAL: "eth1"}
    followed.route_read(BEHIND, Route(frozenset({ETH1, ETH2}), on_link=False), 1)
    followed.interface_changed(Interface(9, "lo", IFF_UP | IFF_LOWER_UP | IFF_LOOPBACK, 0))
    followed.route_read(ON_LINK, Route(frozenset({ETH1}), local=True), 1)
    assert followed.reached_by() == {ON_LINK: "lo", BEHIND: "eth1,eth2", LINK_LOCAL: "eth1"}
    followed.follow({ON_LINK, "10.5.0.1"})
    assert followed.reached_by() == {ON_LINK: "lo"}


def test_all_neighbours_of_an_interface_are_down(followed: Carrier) -> None:
    followed.interface_changed(interface(ETH1, up=False))
    assert followed.down() == {ON_LINK: "eth1", BEHIND: "eth1", LINK_LOCAL: "eth1"}


def test_neighbour_is_up_only_with_a_route(followed: Carrier) -> None:
    followed.interface_changed(interface(ETH1, up=False))
    assert ON_LINK in followed.down()
    followed.interface_changed(interface(ETH1))
    followed.route_read(ON_LINK, None, 1)
    assert followed.down() == {ON_LINK: "eth1", BEHIND: "eth1"}
    followed.route_read(ON_LINK, DIRECT, 2)
    assert followed.down() == {BEHIND: "eth1"}


def test_no_route_is_unknown_while_the_interface_is_up(followed: Carrier) -> None:
    followed.route_read(ON_LINK, None, 1)
    assert followed.down() == {}
    followed.interface_changed(interface(ETH1, up=False))
    assert ON_LINK in followed.down()


def test_default_route_takes_the_place_of_a_link_only_after_a_while(followed: Carrier) -> None:
    followed.route_read(ON_LINK, OTHER_GATEWAY, 1)
    followed.interface_changed(interface(ETH1, up=False))
    assert ON_LINK in followed.down()
    followed.route_read(ON_LINK, OTHER_GATEWAY, 0.9 + carrier.FALLBACK_TIME)
    assert ON_LINK in followed.down()
    followed.route_read(ON_LINK, OTHER_GATEWAY, 1 + carrier.FALLBACK_TIME)
    assert ON_LINK not in followed.down()


def test_another_link_takes_its_place_at_once(followed: Carrier) -> None:
    followed.interface_changed(interface(ETH1, up=False))
    assert ON_LINK in followed.down()
    followed.route_read(ON_LINK, OTHER_DIRECT, 1)
    assert ON_LINK not in followed.down()


def test_neighbour_behind_a_gateway_follows_its_route(followed: Carrier) -> None:
    assert followed.reached_by_gateway(ETH1).keys() == {BEHIND}
    assert followed.reached_by_gateway(ETH2) == {}
    followed.interface_changed(interface(ETH1, up=False))
    followed.route_read(BEHIND, OTHER_GATEWAY, 1)
    assert BEHIND not in followed.down()


def test_several_hops(followed: Carrier) -> None:
    followed.route_read(BEHIND, Route(frozenset({ETH1, ETH2}), on_link=False), 1)
    followed.interface_changed(interface(ETH1, up=False))
    assert BEHIND not in followed.down()
    followed.interface_deleted(ETH2)
    assert followed.down()[BEHIND] == "eth1,eth2"


def test_local_neighbour_is_never_down(followed: Carrier) -> None:
    followed.interface_changed(interface(ETH1, up=False))
    assert ON_LINK in followed.down()
    followed.route_read(ON_LINK, Route(frozenset({ETH1}), local=True), 1)
    assert ON_LINK not in followed.down()


def test_interface_that_is_not_listed_yet_counts_as_up(followed: Carrier) -> None:
    followed.route_read(ON_LINK, Route(frozenset({7})), 1)
    assert followed.down() == {}
    followed.interface_changed(interface(7, up=False))
    assert followed.down() == {ON_LINK: "eth7"}


def test_deleted_interface_comes_back(followed: Carrier) -> None:
    followed.interface_deleted(ETH1)
    followed.interface_deleted(99)
    assert followed.down().keys() == {ON_LINK, BEHIND, LINK_LOCAL}
    followed.interface_changed(interface(5, name="eth1"))
    assert followed.down() == {ON_LINK: "eth1", BEHIND: "eth1"}
    followed.interface_changed(interface(ETH1, name="eth9"))
    followed.route_read(ON_LINK, DIRECT, 1)
    assert followed.down() == {BEHIND: "eth9"}


def test_link_local_neighbour_keeps_a_renamed_interface(followed: Carrier) -> None:
    followed.interface_changed(interface(ETH1, name="uplink"))
    assert followed.down() == {}
    followed.interface_changed(interface(ETH1, name="uplink", up=False))
    assert followed.down()[LINK_LOCAL] == "uplink"


def test_zone_may_be_a_number() -> None:
    found = Carrier()
    found.follow({"fe80::2%2"})
    found.interface_changed(interface(ETH2, up=False))
    assert found.down() == {"fe80::2%2": "eth2"}


def test_replaced_neighbours(followed: Carrier) -> None:
    followed.interface_changed(interface(ETH1, up=False))
    followed.follow({ON_LINK})
    assert followed.down() == {ON_LINK: "eth1"}
    followed.route_read(BEHIND, DIRECT, 1)
    followed.follow(set())
    assert followed.down() == {}
