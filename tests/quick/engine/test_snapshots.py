"""Conversion of store snapshots to events, including hostile contents (A5, S1, S2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.core.events import Member
from vipagent.engine.snapshots import maintenance_seen, members_seen, unknown_names
from vipagent.store.backend import Entry
from vipagent.store.layout import vips_by_name
from vipagent.store.records import Maintenance, Registration
from vipagent.types import Claim

POOL = ("10.0.0.1", "10.0.1.0/24", "2001:db8::1")
NAMES = vips_by_name(POOL)
HOSTILE = (
    b"",
    b"\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b'{"node": 1}',
    b'{"node": {"a": []}}',
    b"[" * 60_000,
    b"x" * 70_000,
)


def test_s2_an_empty_entry_as_written_by_exazk_is_a_member() -> None:
    assert members_seen({"10.0.0.1": Entry()}, NAMES, POOL).members == {"10.0.0.1": Member(Claim.OTHER, "")}


@pytest.mark.parametrize("claim", [Claim.SAME_NODE, Claim.OTHER])
def test_a_foreign_entry_has_the_name_of_its_node(claim: Claim) -> None:
    entry = Entry(Registration("node1", "run1").dump(), claim)
    assert members_seen({"10.0.0.1": entry}, NAMES, POOL).members == {"10.0.0.1": Member(claim, "node1")}


def test_the_holder_is_determined_for_owned_vips_only() -> None:
    entry = Entry(Registration("node1", "run1").dump(), Claim.OURS)
    assert members_seen({"10.0.0.1": entry}, NAMES, POOL).members == {"10.0.0.1": Member(Claim.OURS)}
    assert members_seen({"10.0.0.1": entry}, NAMES, ()).members == {"10.0.0.1": Member()}


def test_entry_names_of_prefixes_have_no_slash() -> None:
    assert members_seen({"10.0.1.0_24": Entry()}, NAMES, POOL).members == {"10.0.1.0/24": Member()}


@pytest.mark.parametrize(
    "name", ["0.0.0.0_0", "10.0.0.2", "10.0.0.1_32", "x\nannounce", "", "10.0.1.0/24", "x" * 5000]
)
def test_a5_an_unknown_name_is_ignored_and_counted(name: str) -> None:
    assert members_seen({name: Entry()}, NAMES, POOL).members == {}
    assert unknown_names({name: Entry(), "10.0.0.1": Entry()}, NAMES) == {name}


@pytest.mark.parametrize("value", HOSTILE)
def test_s1_a_hostile_value_is_a_member_without_node_name(value: bytes) -> None:
    assert members_seen({"10.0.0.1": Entry(value)}, NAMES, POOL).members == {"10.0.0.1": Member()}


@pytest.mark.parametrize("value", HOSTILE)
def test_s1_a_maintenance_key_applies_with_any_value(value: bytes) -> None:
    seen = maintenance_seen({"node1": Entry(value)}, "node1")
    assert (seen.node, seen.service, seen.now) == (True, False, False)


def test_maintenance_of_this_node_of_the_service_or_of_another_node() -> None:
    assert maintenance_seen({}, "node1") == maintenance_seen({"node2": Entry()}, "node1")
    assert maintenance_seen({"all": Entry()}, "node1").service
    assert not maintenance_seen({"all": Entry()}, "node1").node
    both = maintenance_seen({"all": Entry(), "node1": Entry(Maintenance(now=True).dump())}, "node1")
    assert (both.service, both.node, both.now) == (True, True, True)


def test_an_operator_s_reason_is_shown_on_one_line() -> None:
    key = Maintenance(reason="new disk\nshutdown", by="eve", now=True)
    seen = maintenance_seen({"node1": Entry(key.dump())}, "node1")
    assert seen.now
    assert "new disk?shutdown" in seen.why
    assert "eve" in seen.why


entries = st.dictionaries(
    st.sampled_from(["10.0.0.1", "10.0.1.0_24", "all", "node1"]) | st.text(),
    st.builds(Entry, st.binary() | st.sampled_from(HOSTILE), st.sampled_from(Claim)),
)


@given(snapshot=entries)
def test_s1_no_snapshot_raises_or_adds_to_the_pool(snapshot: dict[str, Entry]) -> None:
    assert set(members_seen(snapshot, NAMES, POOL).members) <= set(POOL)
    seen = maintenance_seen(snapshot, "node1")
    assert seen.service == ("all" in snapshot)
    assert seen.node == ("node1" in snapshot)
    assert "\n" not in seen.why
