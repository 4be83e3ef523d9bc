"""Lines recorded from ExaBGP 4.2.25 and 5.0.15, and malformed lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.dialect import state_line
from vipagent.exabgp.messages import Message, NeighborState, Reply, Shutdown, SummaryHeader, parse


@pytest.mark.parametrize("line", ["done", " done ", "done\r"])
def test_done(line: str) -> None:
    assert parse(line) == Reply()


def test_error() -> None:
    message = parse("error")
    assert isinstance(message, Reply)
    assert message.error


def test_summary_header() -> None:
    header = "Peer            AS        up/down state       |     #sent     #recvd"
    assert parse(header) == SummaryHeader()


@pytest.mark.parametrize(
    ("line", "peer", "established"),
    [
        ("127.0.0.101     65000     0:00:01 established           3          2", "127.0.0.101", True),
        ("127.0.0.101     65000        down idle                  0          0", "127.0.0.101", False),
        ("127.0.0.101     65000        down active                0          0", "127.0.0.101", False),
        ("127.0.0.101     65000  1 day, 0:00:03 established           3          2", "127.0.0.101", True),
        ("127.0.0.101     65000 99 days, 10:00:03 established         3          2", "127.0.0.101", True),
        ("2001:db8::1     65000     0:00:01 established           3          2", "2001:db8::1", True),
        ("127.0.0.101     n/a       0:00:01 established           3          2", "127.0.0.101", True),
    ],
)
def test_neighbor_line_of_summary(line: str, peer: str, established: bool) -> None:
    message = parse(line)
    assert isinstance(message, NeighborState)
    assert (message.peer, message.established, message.from_summary) == (peer, established, True)
    assert message.asn == (None if "n/a" in line else 65000)


@pytest.mark.parametrize(
    ("line", "established"),
    [
        ("neighbor 192.0.2.1 up", True),
        ("neighbor 192.0.2.1 connected", False),
        ("neighbor 192.0.2.1 down - peer reset, message () error(the TCP connection was closed)", False),
    ],
)
def test_neighbor_state_by_text_encoder(line: str, established: bool) -> None:
    assert parse(line) == NeighborState("192.0.2.1", established)


@pytest.mark.parametrize(
    "line",
    [
        "shutdown 4711 1",
        '{ "exabgp": "5.0.0", "type": "notification", "notification": "shutdown" }',
        '{ "exabgp": "4.0.1", "pid" : 7, "ppid" : 1, "type": "notification", "notification": "shutdown"}',
    ],
)
def test_shutdown_notification(line: str) -> None:
    assert parse(line) == Shutdown()


@pytest.mark.parametrize(
    ("asn", "number"),
    [
        ('{ "local": 65001, "peer": 65000 }', 65000),
        ("null", None),
        ('{ "local": 65001, "peer": None }', None),
    ],
)
def test_as_number_of_neighbor(asn: str, number: int | None) -> None:
    neighbor = f'"address": {{ "peer": "192.0.2.1" }}, "asn": {asn}, "state": "up"'
    line = f'{{ "type": "state", "neighbor": {{ {neighbor} }} }}'
    assert parse(line) == NeighborState("192.0.2.1", established=True, asn=number)


@pytest.mark.parametrize(("state", "established"), [("up", True), ("connected", False), ("down", False)])
def test_neighbor_state(state: str, established: bool) -> None:
    assert parse(state_line(state)) == NeighborState("192.0.2.1", established)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "exabgp 5.0.15",
        "neighbor 127.0.0.100 receive update start",
        "neighbor invalid up",
        "shutdown",
        '{ "type": "notification", "notification": null }',
        '{ "type": "notification", "notification": "open" }',
        '{ "type": "state" }',
        '{ "type": "state", "neighbor": [] }',
        '{ "type": "state", "neighbor": { "address": null, "state": "up" } }',
        '{ "type": "state", "neighbor": { "address": { "peer": "192.0.2.1" } } }',
        "{",
        "{" * 100_000,
        '{"a":' * 100_000,
        "Done",
        "done done",
        "a b c established 1 2",
        "127.0.0.101 65000 established 3 2",
        "127.0.0.101 65000 0:00:03 established 3 x",
    ],
)
def test_other_lines_are_ignored(line: str) -> None:
    assert parse(line) is None


def is_message(message: Message) -> bool:
    return message is None or isinstance(message, Reply | NeighborState | SummaryHeader | Shutdown)


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["type", "neighbor", "address", "peer", "state", "asn", "notification"]), inner
        )
    ),
)


@given(line=st.text())
def test_parse_never_raises(line: str) -> None:
    assert is_message(parse(line))


@given(value=st.fixed_dictionaries({"type": st.just("state"), "neighbor": nested}))
def test_parse_never_raises_on_state_events(value: object) -> None:
    assert is_message(parse(json.dumps(value)))
