"""The client with correct and faulty servers on loopback."""

import asyncio
import gc
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest

from tests.servers.certificates import Authority
from tests.unit.net.test_connecting import sockets
from tests.unit.waiting import eventually
from vipagent.net.endpoint import Endpoint
from vipagent.net.errors import ProtocolError
from vipagent.net.http import HttpClient, Tls, unencrypted
from vipagent.net.protocol import Request
from vipagent.net.tls import client_context
from vipagent.testing import growth
from vipagent.testing.slowness import allowed

HOST = "127.0.0.1"
GET = Request("GET", "/", {"Host": "a.example"})
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
LAST_ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
BUDGET = 1024 * 1024
TIMEOUT = 20.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A handler of a server's connections, and their number."""

    def __init__(self, serve: Serve) -> None:
        self.connections = 0
        self.ended = 0
        self.address = Endpoint(HOST, 0)
        self._serve = serve

    def has_accepted(self, connections: int) -> bool:
        return self.connections == connections

    def has_ended(self, connections: int) -> bool:
        return self.ended == connections

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self.ended += 1
            writer.transport.abort()


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(serve)
    async with await asyncio.start_server(server.accept, HOST, 0, ssl=tls) as listening:
        server.address = Endpoint(HOST, listening.sockets[0].getsockname()[1])
        yield server


def answering(*pieces: bytes, pause: float = 0.0, hang: bool = True) -> Serve:
    """Return a server that replies to each request with these pieces, then hangs or closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            if not hang:
                return

    return serve


def for_ever(start: bytes, piece: bytes, pause: float = 0.0) -> Serve:
    """Return a server with an endless response."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return serve


async def fetch(client: HttpClient, within: float = TIMEOUT, budget: float = BUDGET) -> tuple[int, bytes]:
    (status, _), body = await client.fetch(GET, within, budget)
    return status, body


def failing(serve: Serve, within: float = TIMEOUT, budget: float = BUDGET) -> None:
    """Fetch once from such a server."""

    async def scenario() -> None:
        async with serving(serve) as server, HttpClient(server.address) as client:
            await fetch(client, within, budget)

    asyncio.run(scenario())


def test_exchanges_share_a_connection() -> None:
    async def scenario() -> None:
        async with serving(answering(ANSWER)) as server, HttpClient(server.address) as client:
            assert not client.has_answered
            for _ in range(5):
                assert await fetch(client) == (200, b"abc")
            assert client.has_answered
            assert server.connections == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("hang", [True, False])
@pytest.mark.parametrize("answer", [LAST_ANSWER, ANSWER * 2])
def test_another_connection_follows_an_answer_that_is_the_last(answer: bytes, hang: bool) -> None:
    async def scenario() -> None:
        async with serving(answering(answer, hang=hang)) as server, HttpClient(server.address) as client:
            for turn in range(1, 4):
                assert await fetch(client) == (200, b"abc")
                assert server.connections == turn

    asyncio.run(scenario())


def test_another_connection_follows_one_that_was_closed_while_idle() -> None:
    async def scenario() -> None:
        async with serving(answering(ANSWER, hang=False)) as server, HttpClient(server.address) as client:
            for turn in range(1, 4):
                assert await fetch(client) == (200, b"abc")
                await eventually("it is closed", partial(server.has_ended, turn))
                await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_an_unread_response_is_discarded() -> None:
    async def scenario() -> None:
        slow = answering(ANSWER[:-1], b"c", pause=0.01)
        async with serving(slow) as server, HttpClient(server.address) as client:
            for turn in range(1, 4):
                assert (await client.begin(GET, TIMEOUT)).status == 200
                assert server.connections == turn

    asyncio.run(scenario())


def test_a_stream_is_reported_piece_by_piece_without_a_budget() -> None:
    async def scenario() -> None:
        stream = for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000)
        async with serving(stream) as server, HttpClient(server.address) as client:
            await client.begin(GET, TIMEOUT)
            read, before = 0, 0.0
            async for piece in client.pieces():
                read += len(piece)
                if not before and read > 10_000_000:
                    before = growth.resident()
                if read > 50_000_000:
                    break
            assert growth.resident() - before < 4 * 1024

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [301, 404, 500])
def test_any_status_is_an_answer_and_no_redirection_is_followed(status: int) -> None:
    async def scenario() -> None:
        head = b"HTTP/1.1 %d Whatever\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" % status
        async with serving(answering(head)) as server, HttpClient(server.address) as client:
            assert await fetch(client) == (status, b"")

    asyncio.run(scenario())


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    failing(answering(ANSWER))


@pytest.mark.parametrize(
    "serve",
    [
        for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        for_ever(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
        for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50_000),
        for_ever(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 5_000),
        for_ever(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n", b"x" * 50_000),
        answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ],
)
def test_too_much_or_no_http_is_an_error_long_before_the_deadline(serve: Serve) -> None:
    with pytest.raises(ProtocolError):
        failing(serve, within=60.0)


def test_an_endless_response_does_not_block_the_loop() -> None:
    async def scenario() -> None:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        stream = for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 200_000)
        async with serving(stream) as server, HttpClient(server.address) as client:
            other = asyncio.create_task(turn())
            with pytest.raises(TimeoutError):
                await fetch(client, 0.3, float("inf"))
            other.cancel()
        assert turns > 10

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "serve",
    [
        answering(),
        answering(b"HTTP/1.1 200 OK\r\nX: y"),
        answering(ANSWER[:-1]),
        for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.02),
        for_ever(b"HTTP/1.1 200 OK\r\nX: ", b"y", pause=0.02),
        for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"y", pause=0.02),
    ],
)
def test_the_deadline_is_for_the_whole_exchange(serve: Serve) -> None:
    """The timeout applies to the whole exchange, even if each byte arrives in time."""
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        failing(serve, within=0.3)
    assert 0.3 <= time.monotonic() - began < allowed(3.0)


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 2",), (ANSWER[:-1],)])
def test_a_connection_that_is_closed_too_early(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(ConnectionResetError):
        failing(answering(*pieces, hang=False))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secured(authority: Authority) -> ssl.SSLContext:
    """A server's side of TLS."""
    own = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert, own.key)
    return context


def test_exchanges_by_tls(authority: Authority, secured: ssl.SSLContext) -> None:
    contexts: list[ssl.SSLContext] = []

    def tls() -> ssl.SSLContext:
        contexts.append(client_context(ca=authority.cert))
        return contexts[-1]

    async def scenario() -> None:
        async with serving(answering(ANSWER), secured) as server, HttpClient(server.address, tls) as client:
            for _ in range(3):
                assert await fetch(client) == (200, b"abc")
            assert len(contexts) == 1, "one for each connection"
            client.close()
            assert await fetch(client) == (200, b"abc")
            assert len(contexts) == 2

    asyncio.run(scenario())


def test_a_certificate_that_nobody_trusts(secured: ssl.SSLContext) -> None:
    async def scenario() -> None:
        secure = serving(answering(ANSWER), secured)
        async with secure as server, HttpClient(server.address, client_context) as client:
            with pytest.raises(ssl.SSLCertVerificationError):
                await fetch(client)

    asyncio.run(scenario())


def test_a_server_that_is_silent_in_the_handshake() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async def scenario() -> None:
        async with serving(silent) as server, HttpClient(server.address, client_context) as client:
            with pytest.raises(TimeoutError):
                await fetch(client, 0.3)

    asyncio.run(scenario())


def test_what_says_how_to_encrypt_may_refuse() -> None:
    def refuse() -> None:
        raise ValueError("no certificate")

    async def scenario() -> None:
        async with serving(answering(ANSWER)) as server, HttpClient(server.address, refuse) as client:
            with pytest.raises(ValueError, match="no certificate"):
                await fetch(client)
        assert server.connections == 0

    asyncio.run(scenario())


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(-1)


@pytest.fixture(params=["answer", "head", "body", "handshake"])
def stuck(request: pytest.FixtureRequest) -> tuple[Serve, Tls]:
    """A server that stops at a given phase of the exchange."""
    cases: dict[str, tuple[Serve, Tls]] = {
        "answer": (hang, unencrypted),
        "head": (answering(b"HTTP/1.1 200 OK\r\nX: y"), unencrypted),
        "body": (answering(ANSWER[:-1]), unencrypted),
        "handshake": (hang, client_context),
    }
    return cases[request.param]


@pytest.mark.parametrize("given_up", ["cancelled", "too late"])
def test_a_cancelled_exchange_leaks_no_socket(stuck: tuple[Serve, Tls], given_up: str) -> None:
    serve, tls = stuck

    async def scenario() -> None:
        async with serving(serve) as server:
            before = sockets()
            client = HttpClient(server.address, tls)
            for turn in range(1, 11):
                asking = asyncio.create_task(fetch(client, TIMEOUT if given_up == "cancelled" else 0.05))
                await eventually("it is stuck", partial(server.has_accepted, turn))
                if given_up == "cancelled":
                    asking.cancel()
                await asyncio.wait({asking})
                await eventually("all is closed", lambda: sockets() == before)

    asyncio.run(scenario())


@pytest.mark.parametrize("tls", [unencrypted, client_context])
def test_a_cancellation_at_any_iteration_leaks_no_socket(tls: Tls) -> None:
    async def scenario() -> None:
        async with serving(hang) as server:
            before = sockets()
            for turns in range(20):
                asking = asyncio.create_task(fetch(HttpClient(server.address, tls)))
                for _ in range(turns):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait({asking})
            await eventually("all is closed", lambda: sockets() == before)

    asyncio.run(scenario())
    gc.collect()  # unclosed sockets would cause a warning here


def test_a_client_that_is_closed_while_it_waits_ends_immediately() -> None:
    async def scenario() -> None:
        async with serving(hang) as server:
            client = HttpClient(server.address)
            asking = asyncio.create_task(fetch(client))
            await eventually("it waits", lambda: server.connections == 1)
            client.close()
            with pytest.raises(ConnectionError):
                await asking

    asyncio.run(scenario())
