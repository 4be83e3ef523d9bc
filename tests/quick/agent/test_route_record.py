"""The record of announced routes: what is written is read back, and nothing else is accepted (E2)."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.agent.route_record import MAX_RUNS, RouteRecord, decode, encode
from vipagent.exabgp.table import RouteIdentity

IDENTITIES = st.frozensets(
    st.builds(
        RouteIdentity,
        st.sampled_from(["10.0.0.1/32", "10.0.0.0/24", "2001:db8::1/128"]),
        st.none() | st.integers(0, 2**32 - 1),
        st.sampled_from([(), ("192.0.2.1",), ("192.0.2.1", "2001:db8::2")]),
    )
)
GROUP = {"path_id": None, "neighbors": ["192.0.2.1"], "prefixes": ["10.0.0.1/32"]}


RUNS = st.lists(st.text(max_size=40), max_size=MAX_RUNS).map(tuple)


@given(st.builds(RouteRecord, IDENTITIES, RUNS))
def test_what_is_written_is_read_back(record: RouteRecord) -> None:
    assert decode(encode("the agent", record)) == record


def test_only_the_latest_runs_are_kept() -> None:
    runs = tuple(f"run {number}" for number in range(100))
    assert decode(encode("the agent", RouteRecord(runs=runs))).runs == runs[-MAX_RUNS:]


def test_a_record_without_runs_is_one_of_an_older_version() -> None:
    assert decode(json.dumps({"version": 1, "agent": "the agent", "routes": []}).encode()) == RouteRecord()


def test_a_large_pool_is_well_below_the_limit() -> None:
    prefixes = [f"10.{number >> 8}.{number & 255}.0/24" for number in range(50_000)]
    assert len(encode("the agent", RouteRecord(frozenset(map(RouteIdentity, prefixes))))) < 2 * 1024 * 1024


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b"{}",
        b"[" * 100_000,
        json.dumps({"version": 2, "routes": []}).encode(),
        json.dumps({"version": 1}).encode(),
        json.dumps({"version": 1, "routes": None}).encode(),
        json.dumps({"version": 1, "routes": ["10.0.0.1/32"]}).encode(),
        b'{"version": 1, "routes": [], "runs": {}}',
        b'{"version": 1, "routes": [], "runs": 7}',
        b'{"version": 1, "routes": [], "runs": [7]}',
        json.dumps({"version": 1, "routes": [], "runs": ["x" * 65]}).encode(),
        *(
            json.dumps({"version": 1, "routes": [GROUP | change]}).encode()
            for change in (
                {"path_id": -1},
                {"path_id": 2**32},
                {"path_id": True},
                {"path_id": "7"},
                {"neighbors": None},
                {"neighbors": [7]},
                {"neighbors": ["192.0.2.1 withdraw route 10.9.9.9/32"]},
                {"neighbors": ["fe80::1%eth0"]},
                {"prefixes": ["10.0.0.1"]},
                {"prefixes": ["10.0.0.1/24"]},
                {"prefixes": ["10.0.0.1/32\nannounce route 10.9.9.9/32"]},
                {"prefixes": [167772161]},
                {"prefixes": [None]},
            )
        ),
    ],
)
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a record of version 1"):
        decode(content)


KEYS = st.sampled_from(["version", "runs", "routes", "prefixes", "path_id", "neighbors"])
ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)
)


@given(st.binary() | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_any_content_is_refused_or_read(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode(content)
