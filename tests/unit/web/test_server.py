"""The HTTP server on real sockets: invalid and excessive requests affect only their own client."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest

from tests.servers.process import free_port
from tests.unit.web.client import Answer, get
from tests.unit.web.views import view
from vipagent.net.endpoint import Endpoint
from vipagent.testing.slowness import allowed
from vipagent.web import connection, server, stream
from vipagent.web.server import Server
from vipagent.web.site import PageResponse

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LOCAL = "127.0.0.1"


@contextlib.asynccontextmanager
async def serving(host: str = LOCAL) -> AsyncIterator[tuple[Server, int]]:
    port = free_port(host)
    running = Server(Endpoint(host, port), view)
    try:
        await until(lambda: listens(host, port))
        yield running, port
    finally:
        running.close()
        await until(lambda: not running._connections)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(allowed(20)):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def listens(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        return probe.connect_ex((host, port)) == 0


async def fetch(port: int, path: str, method: str = "GET", host: str = LOCAL) -> Answer:
    return await asyncio.to_thread(get, port, path, None, method, host)


async def exchange(port: int, data: bytes) -> bytes:
    """Send data, and return all data until the connection is closed."""
    reader, writer = await asyncio.open_connection(LOCAL, port)
    writer.write(data)
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):
        return await reader.read()
    return b""


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run_with_timeout() -> None:
        async with asyncio.timeout(allowed(60)):
            await scenario()

    asyncio.run(run_with_timeout())


@pytest.mark.parametrize("host", [LOCAL, "::1"])
def test_it_serves(host: str) -> None:
    async def scenario() -> None:
        async with serving(host) as (_, port):
            answer = await fetch(port, "/healthz?verbose", host=host)
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
            assert answer.headers["Content-Length"] == str(len(answer.body))
            assert answer.headers["Connection"] == "close"
            assert "vipagent_build_info" in (await fetch(port, "/metrics", host=host)).body

    run(scenario)


def test_every_address_is_ipv4_and_ipv6() -> None:
    async def scenario() -> None:
        async with serving("::") as (_, port):
            assert (await fetch(port, "/healthz", host=LOCAL)).status == 200
            assert (await fetch(port, "/healthz", host="::1")).status == 200

    run(scenario)


@pytest.mark.parametrize("path", ["/", "/metrics", "/events", "/nosuch"])
def test_head_is_get_without_the_body(path: str) -> None:
    async def scenario() -> None:
        async with serving() as (_, port):
            answer = await fetch(port, path, "HEAD")
            assert (answer.status, answer.body) == (404 if path == "/nosuch" else 200, "")
            assert (path == "/events") == ("Content-Length" not in answer.headers)

    run(scenario)


def test_other_methods_are_rejected_with_the_allowed_ones() -> None:
    async def scenario() -> None:
        async with serving() as (_, port):
            answer = await fetch(port, "/status.json", "POST")
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")

    run(scenario)


def test_on_loopback_other_host_headers_are_rejected() -> None:
    async def scenario() -> None:
        async with serving() as (_, port):
            answer = await exchange(port, b"GET /status.json HTTP/1.1\r\nHost: rebound.example\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        async with serving("0.0.0.0") as (_, port):
            answer = await exchange(port, b"GET /status.json HTTP/1.1\r\nHost: lb1.example\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")

    run(scenario)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),  # without a Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),  # TLS
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nx", b"200"),
        (b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"400"),
    ],
)
def test_an_invalid_request_is_rejected(request_: bytes, status: bytes) -> None:
    async def scenario() -> None:
        async with serving() as (_, port):
            answer = await exchange(port, request_)
            assert answer.split(b" ")[1:2] in ([status], []), answer  # a reset may overtake the answer
            assert (await fetch(port, "/healthz")).status == 200

    run(scenario)


def test_a_client_without_a_request_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HTTP_REQUEST_TIMEOUT", 0.2)

    async def scenario() -> None:
        async with serving() as (_, port):
            assert await exchange(port, b"") == b""
            assert await exchange(port, b"GET / HTTP/1.1\r\nHos") == b""

    run(scenario)


def test_the_number_of_connections_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)

    async def scenario() -> None:
        async with serving() as (running, port):
            idle: list[Streams] = [await asyncio.open_connection(LOCAL, port) for _ in range(10)]
            await until(lambda: sum(reader.at_eof() or bool(reader.exception()) for reader, _ in idle) == 7)
            assert len(running._connections) == 3
            for _, writer in idle:
                writer.close()
            await until(lambda: not running._connections)
            assert (await fetch(port, "/healthz")).status == 200

    run(scenario)


async def watching(port: int) -> Streams:
    reader, writer = await asyncio.open_connection(LOCAL, port)
    writer.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert b"200" in await reader.readline()
    await reader.readuntil(b"event: status\n")
    return reader, writer


def test_viewers_are_reported_and_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_VIEWERS", 2)

    async def scenario() -> None:
        async with serving() as (running, port):
            (reader, first), (_, second) = [await watching(port) for _ in range(2)]
            assert (await fetch(port, "/events")).status == 503
            running.change()
            await reader.readuntil(b"event: status\n")
            first.close()
            await until(lambda: not running._site.stream.full)
            again, third = await watching(port)
            running.close()
            assert b"event: status" not in await again.read()
            second.close()
            third.close()

    run(scenario)


def test_a_viewer_that_reads_nothing_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_TIMEOUT", 0.2)

    async def scenario() -> None:
        async with serving() as (running, port):
            running._site.stream._status_json = lambda: "x" * 1_000_000
            _, writer = await watching(port)
            cast(asyncio.ReadTransport, writer.transport).pause_reading()
            for _ in range(20):
                running.change()
                await asyncio.sleep(stream.BATCH_DELAY)
            await until(lambda: not running._connections)
            writer.close()

    run(scenario)


def test_a_bug_affects_one_response_only(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving() as (running, port):
            running._site._routes = {"/": lambda _request: cast(PageResponse, 1 / 0)}
            assert await exchange(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == b""
            assert b"404" in await exchange(port, b"GET /nosuch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    run(scenario)
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "internal error"
    ]


def test_a_port_that_is_taken_is_retried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "MIN_RETRY_DELAY", 0.05)

    async def scenario() -> None:
        with socket.create_server((LOCAL, 0)) as taken:
            port = taken.getsockname()[1]
            running = Server(Endpoint(LOCAL, port), view)
            await until(lambda: len(caplog.records) >= 2)
        await until(lambda: listens(LOCAL, port))
        assert (await fetch(port, "/healthz")).status == 200
        running.close()
        await until(lambda: not listens(LOCAL, port))

    run(scenario)
    assert {record.message for record in caplog.records} >= {"cannot listen"}
    fields = vars(caplog.records[0])["fields"]
    assert (fields["error"], fields["address"]) == ("Address already in use", LOCAL)
