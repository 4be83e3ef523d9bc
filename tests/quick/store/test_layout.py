"""The layout of keys is that of ExaZK, in every store (S2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.store.layout import DEFAULT_PREFIX, WHOLE_SERVICE, Directory, Key, Kind, member_name, member_vip

MEMBERS = Directory(Kind.MEMBERS, "apex")
MAINTENANCE = Directory(Kind.MAINTENANCE, "apex")


def test_paths_are_those_of_exazk() -> None:
    assert MEMBERS.path(DEFAULT_PREFIX) == "/exabgp/service/apex"
    assert Key(MEMBERS, "10.20.255.1").path(DEFAULT_PREFIX) == "/exabgp/service/apex/10.20.255.1"
    assert Key(MAINTENANCE, "node1").path(DEFAULT_PREFIX) == "/exabgp/maintenance/apex/node1"
    assert Key(MAINTENANCE, WHOLE_SERVICE).path(DEFAULT_PREFIX) == "/exabgp/maintenance/apex/all"


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/exabgp/", "/exabgp/state/apex"),
        ("/a/b", "/a/b/state/apex"),
        ("/", "/state/apex"),
        ("", "/state/apex"),
    ],
)
def test_trailing_slash_of_the_prefix_is_ignored(prefix: str, path: str) -> None:
    assert Directory(Kind.STATES, "apex").path(prefix) == path


def test_directories_of_a_service_are_distinct() -> None:
    paths = {Directory(kind, "apex").path(DEFAULT_PREFIX) for kind in Kind}
    assert len(paths) == len(Kind)


@pytest.mark.parametrize(
    ("vip", "name"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/24", "10.0.0.0_24"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:db8::/64", "2001:db8::_64"),
    ],
)
def test_name_of_a_vip_s_key(vip: str, name: str) -> None:
    assert member_name(vip) == name
    assert member_vip(name) == vip


@given(
    st.one_of(
        st.ip_addresses().map(str),
        st.tuples(st.ip_addresses(), st.integers(0, 32)).map("{0[0]}/{0[1]}".format),
    )
)
def test_member_name_round_trip_without_slash(vip: str) -> None:
    assert "/" not in member_name(vip)
    assert member_vip(member_name(vip)) == vip
