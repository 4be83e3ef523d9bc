"""Values in a store are untrusted: decoding them raises nothing but `Malformed` (S1)."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.store.backend import MAX_VALUE
from vipagent.store.fields import MAX_TEXT, Malformed
from vipagent.store.records import (
    MAX_EVENTS,
    MAX_FAMILIES,
    MAX_RECORDED_PEERS,
    RECORD_VERSION,
    Event,
    Maintenance,
    NodeState,
    Registration,
    VipState,
    claim_of,
)
from vipagent.types import Claim, Neighbor

HOSTILE = [
    b"",
    b"\x00",
    b"\xff\xfe",
    b"null",
    b"1e999",
    b"NaN",
    b'"text"',
    b"[]",
    b"{",
    b"[" * 50_000,
    b'{"node": ' * 5_000,
    b'{"node": "' + b"x" * MAX_VALUE + b'"}',
    b'{"vips": 1}',
    b'{"node": {"node": "node1"}, "instance": ["run1"]}',
]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.dictionaries(
    st.sampled_from(
        ["node", "instance", "reason", "by", "since", "now", "check", "vips", "neighbors", "events"]
    ),
    values,
)
stored = st.one_of(st.binary(), fields.map(lambda record: json.dumps(record).encode()))
texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=40)


@given(texts, texts)
def test_registration_round_trip(node: str, instance: str) -> None:
    registration = Registration(node, instance)
    assert Registration.load(registration.dump()) == registration


@pytest.mark.parametrize("value", HOSTILE)
def test_an_invalid_value_is_an_anonymous_registration(value: bytes) -> None:
    assert Registration.load(value) == Registration()


@pytest.mark.parametrize(
    ("value", "claim"),
    [
        (Registration("node1", "run1").dump(), Claim.OURS),
        (Registration("node1", "run2").dump(), Claim.SAME_NODE),
        (Registration("node1").dump(), Claim.SAME_NODE),
        (Registration("node1", "run0").dump(), Claim.EARLIER_RUN),
        (Registration("node2", "run0").dump(), Claim.OTHER),
        (Registration("node2", "run1").dump(), Claim.OTHER),
        (Registration("", "run1").dump(), Claim.OTHER),
        (b"", Claim.OTHER),
        (b"node1", Claim.OTHER),
    ],
)
def test_owner_of_a_member(value: bytes, claim: Claim) -> None:
    assert claim_of(value, "node1", "run1", {"run0"}) == claim


@pytest.mark.parametrize("value", [*HOSTILE, Registration("", "run1").dump()])
def test_an_agent_without_a_name_does_not_own_anonymous_entries(value: bytes) -> None:
    assert claim_of(value, "", "run1") == Claim.OTHER


@given(texts, texts, texts, st.booleans())
def test_maintenance_round_trip(reason: str, by: str, since: str, now: bool) -> None:
    maintenance = Maintenance(reason, by, since, now)
    assert Maintenance.load(maintenance.dump()) == maintenance


@pytest.mark.parametrize("value", HOSTILE)
def test_an_invalid_value_is_a_maintenance_without_details(value: bytes) -> None:
    assert Maintenance.load(value) == Maintenance()


@pytest.mark.parametrize("now", [b"1", b'"true"', b"[true]", b"null"])
def test_only_true_skips_the_drain(now: bytes) -> None:
    assert Maintenance.load(b'{"now": ' + now + b"}").now is False


ESTABLISHED = Neighbor("192.0.2.1", "established", 65001, 65000, ("ipv4 unicast", "ipv6 unicast"), 9, "eth0")


def event(vip: str) -> Event:
    return Event("2026-01-01T00:00:00.000+00:00", vip, "", "rank 0 (owner)", "owner", "A1", "check")


def test_node_state_round_trip() -> None:
    state = NodeState(
        node="node1",
        check="up",
        detail="3 of 3",
        since="2026-01-01T00:00:00+00:00",
        neighbors=0,
        vips={
            "10.0.0.1": VipState("owner", 0, owned=True),
            "10.0.0.2": VipState("standby"),
            "10.0.0.3": VipState("refused", asked=1),
            "10.0.0.4": VipState("takeover", asked=1, accepted=True, not_local=True),
        },
        instance="run1",
        events=(event("10.0.0.1"), event("10.0.0.2")),
        peers=(
            ESTABLISHED,
            Neighbor("2001:db8::2", "no-carrier", interface="bond0.7"),
            Neighbor("192.0.2.9"),
        ),
        table=True,
        addresses=True,
        local_as=65009,
    )
    assert NodeState.load(state.dump()) == state


@pytest.mark.parametrize("value", HOSTILE)
def test_an_invalid_node_state_is_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        NodeState.load(value)


def test_invalid_fields_of_a_node_state_are_ignored() -> None:
    value = json.dumps(
        {
            "node": 7,
            "check": "up",
            "neighbors": True,
            "vips": {"10.0.0.1": {"reason": "owner", "rank": "0", "owned": 1}, "10.0.0.2": "owner"},
        }
    ).encode()
    assert NodeState.load(value) == NodeState("", "up", vips={"10.0.0.1": VipState("owner")}, version=1)


def test_invalid_facts_and_neighbours_are_ignored() -> None:
    peers = [
        "x",
        7,
        None,
        [],
        {},
        {"address": ["192.0.2.1"], "state": 7, "families": "ipv4 unicast", "hold_time": True, "peer_as": "1"},
        {"address": "a\x1b[2Jb", "state": "x" * 10_000, "families": [7, "ipv4\n", None], "interface": {}},
    ]
    vips = {"10.0.0.1": {"reason": "refused", "asked": "0", "accepted": 1, "not_local": "yes"}}
    value = {"vips": vips, "peers": peers, "table": "true", "addresses": 1, "local_as": "65000"}
    state = NodeState.load(json.dumps(value).encode())
    assert state == NodeState("", "", vips={"10.0.0.1": VipState("refused")}, peers=state.peers, version=1)
    assert state.peers == (
        Neighbor(""),
        Neighbor(""),
        Neighbor("a?[2Jb", "x" * MAX_TEXT, families=("ipv4?",)),
    )


@pytest.mark.parametrize("peers", [None, "x" * 100, 7, {"0": {}}, True])
def test_neighbours_that_are_not_a_list_are_ignored(peers: object) -> None:
    assert NodeState.load(json.dumps({"vips": {}, "peers": peers}).encode()).peers == ()


def test_the_number_of_neighbours_and_families_is_bounded() -> None:
    many = tuple(replace(ESTABLISHED, address=f"192.0.2.{number}") for number in range(200))
    state = NodeState("node1", "up", peers=many)
    assert NodeState.load(state.dump()).peers == many[:MAX_RECORDED_PEERS]
    peers = [{**asdict(peer), "families": ["ipv4 unicast"] * 1_000} for peer in many]
    read = NodeState.load(json.dumps({"vips": {}, "peers": peers[:3]}).encode()).peers
    assert [len(peer.families) for peer in read] == [MAX_FAMILIES] * 3


def test_facts_hardly_grow_the_record_of_a_large_pool() -> None:
    """Only a VIP whose facts are not all as requested has more fields than before."""
    vips = {f"10.0.{number // 250}.{number % 250}": VipState("takeover", 1) for number in range(300)}
    plain = NodeState("node1", "up", vips=vips)
    peers = tuple(replace(ESTABLISHED, address=f"192.0.2.{number}") for number in range(MAX_RECORDED_PEERS))
    assert len(replace(plain, table=True, addresses=True).dump()) < len(plain.dump()) + 50
    assert len(replace(plain, peers=peers, table=True).dump()) < len(plain.dump()) + MAX_RECORDED_PEERS * 180
    refused = {vip: VipState("refused", asked=1, not_local=True) for vip in vips}
    assert len(replace(plain, vips=refused, peers=peers).dump()) < MAX_VALUE


def test_an_older_agent_does_not_read_a_refused_route_as_announced() -> None:
    record = NodeState("node1", "up", vips={"10.0.0.1": VipState("refused", owned=True, asked=0)})
    assert json.loads(record.dump())["vips"] == {"10.0.0.1": {"reason": "refused", "owned": True, "asked": 0}}


def test_invalid_events_are_ignored_and_invalid_fields_are_empty() -> None:
    events = [
        "x",
        7,
        None,
        [],
        {},
        {"vip": ["10.0.0.1"], "old": None, "new": "a\x1b[2Jb", "cause": "x" * 10_000},
    ]
    value = json.dumps({"vips": {}, "events": events}).encode()
    empty = Event("", "", "", "", "", "", "")
    assert NodeState.load(value).events == (empty, replace(empty, new="a?[2Jb", cause="x" * MAX_TEXT))


@pytest.mark.parametrize("events", [None, "x" * 100, 7, {"0": {}}, True])
def test_events_that_are_not_a_list_are_ignored(events: object) -> None:
    assert NodeState.load(json.dumps({"vips": {}, "events": events}).encode()).events == ()


def test_only_the_latest_events_are_read() -> None:
    events = tuple(event(f"10.0.0.{number}") for number in range(200))
    state = NodeState("node1", "up", events=events)
    assert NodeState.load(state.dump()).events == events[-MAX_EVENTS:]


@given(stored)
def test_random_values_raise_only_malformed(value: bytes) -> None:
    Registration.load(value)
    Maintenance.load(value)
    claim_of(value, "node1", "run1")
    try:
        state = NodeState.load(value)
    except Malformed:
        return
    assert isinstance(state.node, str)
    assert all(isinstance(vip, VipState) for vip in state.vips.values())
    assert all(isinstance(event, Event) for event in state.events)
    assert all(isinstance(peer, Neighbor) for peer in state.peers)


def test_texts_are_truncated_and_control_characters_replaced() -> None:
    """They are printed in logs and by `vipagent status`."""
    value = json.dumps({"reason": "\x1b[2J\n" + "x" * 10_000, "by": "Zoë"}).encode()
    maintenance = Maintenance.load(value)
    assert maintenance.reason.startswith("?[2J?xxx")
    assert len(maintenance.reason) == MAX_TEXT
    assert maintenance.by == "Zoë"


def test_a_value_of_the_maximum_length_is_malformed() -> None:
    """A backend truncates values to MAX_VALUE bytes, so a value of that length may be incomplete."""
    value = Registration("node1", "run1").dump()
    padded = value + b" " * (MAX_VALUE - len(value))
    assert Registration.load(padded[:-1]) == Registration("node1", "run1")
    assert Registration.load(padded) == Registration()


@pytest.mark.parametrize("other", [VipState("no-address", not_local=True), VipState("takeover", 1)])
def test_a_record_omits_what_is_too_large_to_be_read(other: VipState) -> None:
    vips = {f"10.0.{number >> 8}.{number & 255}": other for number in range(3000)}
    own, taken = {"10.1.0.1": VipState("owner", 0, owned=True)}, {"10.1.0.2": VipState("takeover", 1)}
    value = NodeState("node1", "up", vips={**vips, **taken, **own}).dump()
    read = NodeState.load(value)
    assert MAX_VALUE * 0.9 < len(value) < MAX_VALUE
    assert read.omitted == 3002 - len(read.vips)
    assert own.items() <= read.vips.items()
    assert other.rank or taken.items() <= read.vips.items()


def test_a_record_contains_no_empty_fields() -> None:
    record = NodeState(
        "node1", "up", vips={"10.0.0.1": VipState("settling"), "10.0.0.2": VipState("owner", 0, True)}
    )
    assert json.loads(record.dump())["vips"] == {
        "10.0.0.1": {"reason": "settling"},
        "10.0.0.2": {"reason": "owner", "rank": 0, "owned": True},
    }
    assert json.loads(record.dump())["version"] == RECORD_VERSION
    assert NodeState.load(record.dump()) == record


def test_a_record_without_a_valid_version_has_version_1() -> None:
    assert NodeState.load(b'{"vips": {}}').version == 1
    assert NodeState.load(b'{"vips": {}, "version": "new"}').version == 1
