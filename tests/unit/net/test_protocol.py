"""The HTTP/1.1 protocol without I/O: responses in pieces of any size, valid and invalid."""

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
INFORMED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WITH_LENGTH


def parts(protocol: Protocol) -> list[Head | bytes]:
    """Return the response received so far."""
    found: list[Head | bytes] = []
    while not isinstance(event := protocol.next_event(), Progress):
        found.append(event)
    return found


def answered(*pieces: bytes, request: Request = GET, budget: float = float("inf")) -> tuple[int, bytes]:
    """Return status and body of a response in pieces."""
    protocol = Protocol()
    protocol.send(request, budget)
    found: list[Head | bytes] = []
    for piece in pieces:
        protocol.receive(piece)
        found += parts(protocol)
    assert protocol.next_event() is Progress.END
    head, *body = found
    assert isinstance(head, Head)
    return head.status, b"".join(piece for piece in body if isinstance(piece, bytes))


def test_what_is_sent() -> None:
    assert Protocol().send(GET) == b"GET /path?query HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert Protocol().send(POST) == b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody"
    assert b"Content-Length: 0\r\n" in Protocol().send(POST._replace(body=b""))


@given(
    st.sampled_from([CHUNKED, WITH_LENGTH, INFORMED]), st.lists(st.integers(0, len(INFORMED)), max_size=20)
)
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(answer: bytes, cuts: list[int]) -> None:
    cuts = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    pieces = [answer[first:last] for first, last in pairwise(cuts)]
    assert answered(*pieces) == (200, b"abcdefg")


def test_headers_are_known_by_their_names_in_lower_case() -> None:
    protocol = Protocol()
    protocol.send(GET)
    protocol.receive(WITH_LENGTH)
    head = protocol.next_event()
    assert isinstance(head, Head)
    assert head.headers == {"content-length": "7", "x-odd": "\xe4"}


def test_a_body_that_ends_with_the_connection() -> None:
    assert answered(b"HTTP/1.0 200 OK\r\n\r\nabc", b"def", b"") == (200, b"abcdef")


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body(status: int) -> None:
    assert answered(b"HTTP/1.1 %d Whatever\r\n\r\n" % status) == (status, b"")


def test_exchanges_follow_each_other() -> None:
    protocol = Protocol()
    for _ in range(3):
        assert protocol.is_idle
        protocol.send(POST)
        assert not protocol.is_idle
        protocol.receive(CHUNKED)
        assert len(parts(protocol)) == 3
        assert protocol.next_event() is Progress.END, "and remains so"
    assert protocol.is_idle


@pytest.mark.parametrize(
    "answer",
    [
        WITH_LENGTH[:-1],
        WITH_LENGTH + b"H",
        WITH_LENGTH + WITH_LENGTH,
        WITH_LENGTH.replace(b"X-Odd: \xe4", b"Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_no_exchange_follows_one_that_is_incomplete_or_is_to_be_the_last(answer: bytes) -> None:
    protocol = Protocol()
    protocol.send(GET)
    protocol.receive(answer)
    parts(protocol)
    assert not protocol.is_idle


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 2", WITH_LENGTH[:-1], CHUNKED[:-1], INFORMED[:30]])
def test_a_connection_that_is_closed_before_the_end(answer: bytes) -> None:
    protocol = Protocol()
    protocol.send(GET)
    if answer:
        protocol.receive(answer)
        parts(protocol)
    protocol.receive(b"")
    with pytest.raises(ConnectionResetError, match="the server closed the connection"):
        parts(protocol)


@pytest.mark.parametrize(
    "answer",
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
def test_invalid_http_is_rejected(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        answered(answer)


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=10))
def test_no_bytes_do_anything_else_than_fail(pieces: list[bytes]) -> None:
    with suppress(ProtocolError, ConnectionResetError):
        answered(*pieces, b"")


@given(st.binary(max_size=300), st.integers(0, len(INFORMED)))
def test_nor_do_bytes_behind_the_beginning_of_an_answer(rest: bytes, cut: int) -> None:
    with suppress(ProtocolError, ConnectionResetError):
        answered(INFORMED[:cut] + rest or b"x", b"")


def read_until_refused(start: bytes, piece: bytes, max_head: int) -> tuple[int, str]:
    """Return the number of bytes read of an endless head, and the error."""
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
def test_informational_answers_have_an_end(piece: bytes) -> None:
    received, why = read_until_refused(b"", piece * 100, MAX_HEAD)
    assert received < MAX_HEAD + 100 * len(piece)
    assert why == f"no final status in the first {received} bytes of the response"


@pytest.mark.parametrize("piece", [b"X: y\r\n", b"x"])
def test_headers_have_an_end(piece: bytes) -> None:
    received, _ = read_until_refused(b"HTTP/1.1 200 OK\r\nX: ", piece, 1000)
    assert received < 1000 + 20


@pytest.mark.parametrize("answer", [WITH_LENGTH, CHUNKED, INFORMED])
def test_the_budget_is_of_all_bytes_of_an_answer(answer: bytes) -> None:
    assert answered(answer, budget=len(answer)) == (200, b"abcdefg")
    with pytest.raises(ProtocolError, match=f"the response is larger than {len(answer) - 1} bytes"):
        answered(answer, budget=len(answer) - 1)


def test_each_exchange_has_its_budget() -> None:
    protocol = Protocol()
    for _ in range(3):
        assert protocol.is_idle
        protocol.send(GET, len(WITH_LENGTH))
        protocol.receive(WITH_LENGTH)
        assert len(parts(protocol)) == 2


def test_a_body_without_a_budget_is_handed_on_and_not_kept() -> None:
    protocol = Protocol()
    protocol.send(GET)
    protocol.receive(b"HTTP/1.1 200 OK\r\n\r\n")
    parts(protocol)
    for _ in range(100):
        protocol.receive(b"x" * MAX_HEAD)
        assert parts(protocol) == [b"x" * MAX_HEAD]
