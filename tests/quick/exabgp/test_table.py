"""The parser of ExaBGP's table (E2)."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.exabgp.table import TableRoute
from vipagent.exabgp.table import parse as parse_words


def parse(line: str) -> TableRoute | None:
    return parse_words(line.split())


HEAD = (
    "neighbor 127.0.0.100 local-ip 127.0.0.11 local-as 65001 peer-as 65000 router-id 127.0.0.11 "
    "family-allowed in-open"
)
REST = (
    "next-hop 127.0.0.11 origin egp as-path [ 65001 65001 ] med 200 local-preference 90 "
    "community [ 1:2 65535:0 ] extended-community target:1:2 large-community 1:2:3"
)


@pytest.mark.parametrize(
    ("route", "prefix", "path_id"),
    [
        ("ipv4 unicast 10.1.1.2/32 path-information 0.0.0.7", "10.1.1.2/32", 7),
        ("ipv4 unicast 10.1.1.2/32 path-information 7", "10.1.1.2/32", 7),
        ("ipv4 unicast 10.1.1.2/32 path-information 255.255.255.255", "10.1.1.2/32", 2**32 - 1),
        ("ipv4 unicast 10.1.1.2/32 path-information 0.0.0.0", "10.1.1.2/32", None),
        ("ipv4 unicast 10.1.1.2/32", "10.1.1.2/32", None),
        ("ipv4 unicast 10.1.0.0/16", "10.1.0.0/16", None),
        ("ipv6 unicast 2001:db8:0::1/128 path-information 0.0.1.44", "2001:db8::1/128", 300),
    ],
)
def test_a_route_of_both_exabgps(route: str, prefix: str, path_id: int | None) -> None:
    for rest in (REST, REST.replace("[ 65001 65001 ]", "( 65001 65001 )"), ""):
        parsed = parse(f"{HEAD} {route} {rest}".rstrip())
        assert parsed == TableRoute("127.0.0.100", prefix, path_id, rest)


def test_a_neighbour_by_ipv6() -> None:
    parsed = parse(f"{HEAD} ipv4 unicast 10.1.1.2/32 {REST}".replace("127.0.0.100", "2001:DB8:0::1"))
    assert parsed is not None
    assert parsed.neighbor == "2001:db8::1"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "done",
        "error",
        "neighbor",
        "neighbor 127.0.0.100 up",
        "neighbor 127.0.0.100 ipv4",
        HEAD,
        f"{HEAD} ipv4 unicast",
        f"{HEAD} ipv4 unicast 10.1.1.300/32",
        f"{HEAD} ipv4 unicast 2001:db8::1/128",
        f"{HEAD} ipv4 unicast 10.1.1.2/32 path-information",
        f"{HEAD} ipv4 unicast 10.1.1.2/32 path-information 1.2.3",
        f"{HEAD} ipv4 unicast 10.1.1.2/32 path-information 1.2.3.400",
        f"{HEAD} ipv4 unicast 10.1.1.2/32 path-information 4294967296",
        f"{HEAD} ipv4 unicast 10.1.1.2/32 path-information -1",
        f"{HEAD} ipv4 multicast 10.1.1.2/32 {REST}",
        f"{HEAD} ipv4 flow flow destination-ipv4 10.1.1.2/32",
        f"{HEAD} ipv4 nlri-mpls 10.1.1.2/32 label [ 3 ] {REST}",
        f"{HEAD} l2vpn vpls endpoint 5 base 1 offset 1 size 8",
        f"neighbor some;thing {HEAD[22:]} ipv4 unicast 10.1.1.2/32 {REST}",
        f"neighbor fe80::1%eth0 {HEAD[22:]} ipv4 unicast 10.1.1.2/32 {REST}",
        '{ "exabgp": "5.0.0", "type": "state" }',
    ],
)
def test_other_lines_are_ignored(line: str) -> None:
    assert parse(line) is None


WORDS = st.sampled_from(
    [
        *HEAD.split(),
        *REST.split(),
        "ipv4",
        "ipv6",
        "unicast",
        "10.1.1.2/32",
        "::1/128",
        "path-information",
        "7",
    ]
)


@given(
    st.one_of(
        st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map(lambda w: f"{HEAD} {' '.join(w)}")
    )
)
def test_no_line_raises_and_each_route_is_canonical(line: str) -> None:
    route = parse(line)
    if route is not None:
        assert str(ip_network(route.prefix)) == route.prefix
        assert route.path_id is None or 0 < route.path_id < 2**32


@given(
    st.ip_addresses(),
    st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str)).flatmap(
        lambda a: st.integers(0, ip_network(a).max_prefixlen).map(
            lambda n: ip_network(f"{a}/{n}", strict=False)
        )
    ),
    st.one_of(st.none(), st.integers(1, 2**32 - 1)),
)
def test_what_exabgp_writes_is_read_back(neighbor: object, prefix: object, path_id: int | None) -> None:
    version = 6 if ":" in str(prefix) else 4
    dotted = "" if path_id is None else f" path-information {'.'.join(map(str, path_id.to_bytes(4, 'big')))}"
    line = f"{HEAD.replace('127.0.0.100', str(neighbor))} ipv{version} unicast {prefix}{dotted} {REST}"
    assert parse(line) == TableRoute(str(neighbor), str(prefix), path_id, REST)


def test_sessions_with_one_neighbour_are_told_apart() -> None:
    line = f"{HEAD} ipv4 unicast 10.1.1.2/32 {REST}"
    one, other = parse(line), parse(line.replace("local-ip 127.0.0.11", "local-ip 127.0.0.12"))
    assert one
    assert other
    assert one == other
    assert one.session != other.session
