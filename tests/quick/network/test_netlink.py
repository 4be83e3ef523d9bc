"""Messages of rtnetlink, on bytes."""

import errno
import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.network import netlink
from vipagent.network.netlink import (
    AddressChanged,
    Content,
    DumpEnded,
    Failed,
    Interface,
    InterfaceDeleted,
    Message,
    Route,
)

UP = netlink.IFF_UP | netlink.IFF_LOWER_UP
UNKNOWN, LOWER_LAYER_DOWN, OPERSTATE_UP = 0, 3, 6


def attribute(kind: int, value: bytes) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind) + value + padding


def message(kind: int, body: bytes, flags: int = 0, sequence: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def link(kind: int, index: int, flags: int, *attributes: bytes, family: int = 0) -> bytes:
    return message(kind, struct.pack("=BxHiII", family, 1, index, flags, 0) + b"".join(attributes))


def route(kind: int, *attributes: bytes, family: int = socket.AF_INET) -> bytes:
    body = struct.pack("=BBBBBBBBI", family, 32, 0, 0, 254, 0, 0, kind, 0)
    return message(netlink.RTM_NEWROUTE, body + b"".join(attributes))


def hop(index: int, *attributes: bytes) -> bytes:
    return struct.pack("=HBBi", 8 + len(b"".join(attributes)), 0, 0, index) + b"".join(attributes)


def number(value: int) -> bytes:
    return struct.pack("=i", value)


def parsed(data: bytes) -> list[Content | None]:
    return [netlink.parse(found) for found in netlink.split(data)]


NAME = attribute(netlink.IFLA_IFNAME, b"eth0\0")
OPERSTATE = attribute(netlink.IFLA_OPERSTATE, bytes([OPERSTATE_UP]))
GATEWAY = attribute(netlink.RTA_GATEWAY, socket.inet_aton("10.1.0.2"))


def test_request_for_all_interfaces() -> None:
    assert netlink.list_interfaces(7).hex() == "20000000120001030700000000000000" + "00" * 16


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "10.1.0.2",
            "24000000" "1a000100" "07000000" "00000000" "02200000" "00000000" "00200000" "08000100"
            "0a010002",
        ),
        (
            "2001:db8::2",
            "30000000" "1a000100" "07000000" "00000000" "0a800000" "00000000" "00200000" "14000100"
            "20010db8000000000000000000000002",
        ),
    ],
)  # fmt: skip
def test_request_for_a_route(address: str, expected: str) -> None:
    packed = ip_address(address).packed
    assert netlink.find_route(packed, 7).hex() == expected
    assert netlink.find_route(packed, 7, with_all_hops=False).hex() == expected.replace(
        "00200000", "00000000"
    )


def test_interfaces() -> None:
    data = link(netlink.RTM_NEWLINK, 2, UP, NAME, OPERSTATE) + link(netlink.RTM_DELLINK, 3, 0, NAME)
    assert parsed(data) == [Interface(2, "eth0", UP, OPERSTATE_UP), InterfaceDeleted(3)]


@pytest.mark.parametrize(
    ("flags", "operstate", "carrier"),
    [
        (UP, OPERSTATE_UP, True),
        (UP, UNKNOWN, True),
        (UP, LOWER_LAYER_DOWN, False),
        (UP, 2, False),
        (netlink.IFF_UP, OPERSTATE_UP, False),
        (netlink.IFF_LOWER_UP, OPERSTATE_UP, False),
        (0, UNKNOWN, False),
    ],
)
def test_carrier(flags: int, operstate: int, carrier: bool) -> None:
    assert Interface(1, "eth0", flags, operstate).has_carrier is carrier


def test_interface_without_attributes() -> None:
    assert parsed(link(netlink.RTM_NEWLINK, 2, UP)) == [Interface(2, "", UP, UNKNOWN)]


def test_port_of_a_bridge_is_not_the_interface() -> None:
    """The kernel reports a port that leaves its bridge as RTM_DELLINK."""
    assert parsed(link(netlink.RTM_DELLINK, 2, UP, NAME, family=socket.AF_BRIDGE)) == [None]


@pytest.mark.parametrize(
    ("family", "address", "bits", "is_network"),
    [
        (socket.AF_INET, "10.3.0.1", 32, False),
        (socket.AF_INET, "10.3.0.1", 24, True),
        (socket.AF_INET6, "2001:db8::1", 128, False),
        (socket.AF_INET6, "2001:db8::1", 64, True),
    ],
)
@pytest.mark.parametrize("kind", [netlink.RTM_NEWADDR, netlink.RTM_DELADDR])
def test_addresses(kind: int, family: int, address: str, bits: int, is_network: bool) -> None:
    body = struct.pack("=BBBBi", family, bits, 0, 0, 2)
    data = message(kind, body + attribute(netlink.IFA_ADDRESS, ip_address(address).packed))
    assert parsed(data) == [AddressChanged(2, address, is_network)]


def test_own_address_of_a_point_to_point_link() -> None:
    ends = attribute(netlink.IFA_ADDRESS, bytes(4)) + attribute(netlink.IFA_LOCAL, bytes([10, 3, 0, 1]))
    data = message(netlink.RTM_NEWADDR, struct.pack("=BBBBi", socket.AF_INET, 32, 0, 0, 2) + ends)
    assert parsed(data) == [AddressChanged(2, "10.3.0.1", False)]


@pytest.mark.parametrize("value", [b"", bytes(3), bytes(16)])
def test_address_of_the_wrong_length(value: bytes) -> None:
    body = struct.pack("=BBBBi", socket.AF_INET, 32, 0, 0, 2) + attribute(netlink.IFA_LOCAL, value)
    assert parsed(message(netlink.RTM_NEWADDR, body)) == [None]


def test_routes() -> None:
    interface = attribute(netlink.RTA_OIF, number(2))
    assert parsed(route(1, interface)) == [Route(frozenset({2}), local=False, on_link=True)]
    assert parsed(route(1, interface, GATEWAY)) == [Route(frozenset({2}), local=False, on_link=False)]
    assert parsed(route(1, interface, attribute(netlink.RTA_VIA, bytes(18)))) == [
        Route(frozenset({2}), local=False, on_link=False)
    ]
    assert parsed(route(netlink.RTN_LOCAL, interface)) == [Route(frozenset({2}), local=True, on_link=True)]
    assert parsed(route(1)) == [Route(frozenset(), local=False, on_link=True)]


def test_route_with_several_hops() -> None:
    hops = attribute(netlink.RTA_MULTIPATH, hop(2) + hop(3, GATEWAY))
    assert parsed(route(1, hops)) == [Route(frozenset({2, 3}), local=False, on_link=False)]
    nested = attribute(netlink.RTA_MULTIPATH | 0x8000, hop(2) + hop(3))
    assert parsed(route(1, nested)) == [Route(frozenset({2, 3}), local=False, on_link=True)]


def test_hop_of_an_impossible_length() -> None:
    hops = attribute(netlink.RTA_MULTIPATH, hop(2) + struct.pack("=HBBi", 0, 0, 0, 3))
    assert parsed(route(1, hops)) == [Route(frozenset({2}), local=False, on_link=True)]


def test_errors_and_the_end_of_a_dump() -> None:
    error = message(netlink.NLMSG_ERROR, number(-errno.ENETUNREACH) + bytes(16), sequence=9)
    assert parsed(error) == [Failed(errno.ENETUNREACH)]
    assert parsed(message(netlink.NLMSG_ERROR, number(0))) == [Failed(0)]
    assert parsed(message(netlink.NLMSG_DONE, number(0))) == [DumpEnded()]
    assert [found.sequence for found in netlink.split(error)] == [9]


def test_message_that_is_cut_off_ends_the_read() -> None:
    whole = link(netlink.RTM_NEWLINK, 2, UP, NAME)
    assert parsed(whole + whole[:-1]) == [Interface(2, "eth0", UP, UNKNOWN)]
    assert parsed(whole + struct.pack("=IHHII", 15, netlink.RTM_NEWLINK, 0, 0, 0) + whole) == parsed(whole)


def test_body_that_is_cut_off_is_skipped() -> None:
    for kind in (netlink.RTM_NEWLINK, netlink.RTM_NEWADDR, netlink.RTM_NEWROUTE, netlink.NLMSG_ERROR):
        assert parsed(message(kind, b"\0\0")) == [None]
    assert parsed(route(1, attribute(netlink.RTA_OIF, b"\2"))) == [None]


KINDS = st.sampled_from([2, 3, 16, 17, 20, 21, 24, 26, 99])


@given(st.binary(max_size=200))
def test_any_bytes_can_be_split(data: bytes) -> None:
    for found in netlink.split(data):
        netlink.parse(found)


@given(KINDS, st.binary(max_size=100))
def test_any_body_can_be_parsed(kind: int, body: bytes) -> None:
    netlink.parse(Message(kind, 0, 0, body))


@given(KINDS, st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=6))
def test_any_attributes_can_be_parsed(kind: int, attributes: list[tuple[int, bytes]]) -> None:
    for head in (12, 16, 8):
        body = bytes([socket.AF_INET if head == 8 else 0, *bytes(head - 1)])
        body += b"".join(attribute(kind, value) for kind, value in attributes)
        netlink.parse(Message(kind, 0, 0, body))


@given(st.binary(max_size=100), st.integers(0, 100))
def test_cut_off_messages_do_not_raise(tail: bytes, length: int) -> None:
    whole = link(netlink.RTM_NEWLINK, 2, UP, NAME, OPERSTATE) + route(1, GATEWAY)
    assert len(parsed(whole[:length] + tail)) <= len(whole + tail) // 16
