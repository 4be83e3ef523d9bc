"""The HTTP/1.1 protocol without I/O: responses in arbitrary pieces, and their errors."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.net.errors import ProtocolError
from vipagent.net.protocol import MAX_HEAD, Head, Progress, Protocol, Request

GET = Request("GET", "/path?query", {"Host": "a.example"})
POST = Request("POST", "/", {"Host": "a.example"}, b"body")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Odd: \xe4\r\n\r\nabcdefg"
WITH_INFORMATIONAL = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WITH_LENGTH


def received_parts(protocol: Protocol) -> list[Head | bytes]:
    """Return the response received so far."""
    events: list[Head | bytes] = []
    while not isinstance(event := protocol.next_event(), Progress):
        events.append(event)
    return events


def exchange(*pieces: bytes, request: Request = GET, budget: float = float("inf")) -> tuple[int, bytes]:
    """Return status and body of a response that is received in pieces."""
    protocol = Protocol()
    protocol.send(request, budget)
    events: list[Head | bytes] = []
    for piece in pieces:
        protocol.receive(piece)
        events += received_parts(protocol)
    assert protocol.next_event() is Progress.END
    head, *body = events
    assert isinstance(head, Head)
    return head.status, b"".join(piece for piece in body if isinstance(piece, bytes))


def test_requests_are_serialized() -> None:
    assert Protocol().send(GET) == b"GET /path?query HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert Protocol().send(POST) == b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody"
    assert b"Content-Length: 0\r\n" in Protocol().send(POST._replace(body=b""))


@given(
    st.sampled_from([CHUNKED, WITH_LENGTH, WITH_INFORMATIONAL]),
    st.lists(st.integers(0, len(WITH_INFORMATIONAL)), max_size=20),
)
def test_the_response_does_not_depend_on_its_pieces(response: bytes, cuts: list[int]) -> None:
    cuts = sorted({0, len(response), *(cut for cut in cuts if cut < len(response))})
    pieces = [response[first:last] for first, last in pairwise(cuts)]
    assert exchange(*pieces) == (200, b"abcdefg")


def test_header_names_are_in_lower_case() -> None:
    protocol = Protocol()
    protocol.send(GET)
    protocol.receive(WITH_LENGTH)
    head = protocol.next_event()
    assert isinstance(head, Head)
    assert head.headers == {"content-length": "7", "x-odd": "\xe4"}


def test_a_body_may_end_with_the_connection() -> None:
    assert exchange(b"HTTP/1.0 200 OK\r\n\r\nabc", b"def", b"") == (200, b"abcdef")


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body(status: int) -> None:
    assert exchange(b"HTTP/1.1 %d Whatever\r\n\r\n" % status) == (status, b"")


def test_exchanges_follow_each_other() -> None:
    protocol = Protocol()
    for _ in range(3):
        assert protocol.is_idle
        protocol.send(POST)
        assert not protocol.is_idle
        protocol.receive(CHUNKED)
        assert len(received_parts(protocol)) == 3
        assert protocol.next_event() is Progress.END, "repeated calls must return the same"
    assert protocol.is_idle


@pytest.mark.parametrize(
    "response",
    [
        WITH_LENGTH[:-1],
        WITH_LENGTH + b"H",
        WITH_LENGTH + WITH_LENGTH,
        WITH_LENGTH.replace(b"X-Odd: \xe4", b"Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_no_exchange_follows_an_incomplete_or_last_one(response: bytes) -> None:
    protocol = Protocol()
    protocol.send(GET)
    protocol.receive(response)
    received_parts(protocol)
    assert not protocol.is_idle


@pytest.mark.parametrize(
    "response", [b"", b"HTTP/1.1 2", WITH_LENGTH[:-1], CHUNKED[:-1], WITH_INFORMATIONAL[:30]]
)
def test_a_connection_that_is_closed_before_the_end_is_an_error(response: bytes) -> None:
    protocol = Protocol()
    protocol.send(GET)
    if response:
        protocol.receive(response)
        received_parts(protocol)
    protocol.receive(b"")
    with pytest.raises(ConnectionResetError, match="the server closed the connection"):
        received_parts(protocol)


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 100 + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"\0" * (MAX_HEAD + 1),
    ],
)
def test_invalid_http_is_rejected(response: bytes) -> None:
    with pytest.raises(ProtocolError):
        exchange(response)


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=10))
def test_random_bytes_raise_only_the_expected_errors(pieces: list[bytes]) -> None:
    with suppress(ProtocolError, ConnectionResetError):
        exchange(*pieces, b"")


@given(st.binary(max_size=300), st.integers(0, len(WITH_INFORMATIONAL)))
def test_random_bytes_after_a_valid_start_raise_only_the_expected_errors(rest: bytes, cut: int) -> None:
    with suppress(ProtocolError, ConnectionResetError):
        exchange(WITH_INFORMATIONAL[:cut] + rest or b"x", b"")


def read_until_error(start: bytes, piece: bytes, max_head: int) -> tuple[int, str]:
    """Receive an endless head; return the number of bytes until the error, and its message."""
    protocol = Protocol(max_head)
    protocol.send(GET)
    if start:
        protocol.receive(start)
    received = len(start)
    try:
        while received < 3 * max_head:
            protocol.receive(piece)
            received += len(piece)
            assert protocol.next_event() is Progress.READ
    except ProtocolError as error:
        return received, str(error)
    raise AssertionError(f"{received} bytes were read")


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hint\r\nX: y\r\n\r\n"])
def test_informational_responses_are_limited(piece: bytes) -> None:
    received, message = read_until_error(b"", piece * 100, MAX_HEAD)
    assert received < MAX_HEAD + 100 * len(piece)
    assert message == f"no final status in the first {received} bytes of the response"


@pytest.mark.parametrize("piece", [b"X: y\r\n", b"x"])
def test_headers_are_limited(piece: bytes) -> None:
    received, _ = read_until_error(b"HTTP/1.1 200 OK\r\nX: ", piece, 1000)
    assert received < 1000 + 20


@pytest.mark.parametrize("response", [WITH_LENGTH, CHUNKED, WITH_INFORMATIONAL])
def test_the_budget_includes_all_bytes_of_a_response(response: bytes) -> None:
    assert exchange(response, budget=len(response)) == (200, b"abcdefg")
    with pytest.raises(ProtocolError, match=f"the response is larger than {len(response) - 1} bytes"):
        exchange(response, budget=len(response) - 1)


def test_each_exchange_has_a_separate_budget() -> None:
    protocol = Protocol()
    for _ in range(3):
        assert protocol.is_idle
        protocol.send(GET, len(WITH_LENGTH))
        protocol.receive(WITH_LENGTH)
        assert len(received_parts(protocol)) == 2


def test_a_body_without_a_budget_is_not_buffered() -> None:
    protocol = Protocol()
    protocol.send(GET)
    protocol.receive(b"HTTP/1.1 200 OK\r\n\r\n")
    received_parts(protocol)
    for _ in range(100):
        protocol.receive(b"x" * MAX_HEAD)
        assert received_parts(protocol) == [b"x" * MAX_HEAD]
