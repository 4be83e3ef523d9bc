"""Connections to the first reachable address of a server, with a share of the timeout for each."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.resolving import resolving
from tests.servers.process import free_port
from tests.unit.waiting import eventually
from vipagent.net.connecting import connect
from vipagent.net.endpoint import Endpoint
from vipagent.testing.slowness import allowed

NAME = "server.example"
SILENT, OTHER, LISTENING = "127.0.0.2", "127.0.0.3", "127.0.0.4"


def sockets() -> set[str]:
    """Return the sockets of this process, by their names in /proc."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of the directory itself
            found.add(str(descriptor.readlink()))
    return {link for link in found if link.startswith("socket:")}


@contextmanager
def listening(host: str, port: int = 0, backlog: int = 10) -> Iterator[socket.socket]:
    """Listen without accepting; the kernel accepts connections until the backlog is full."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen(backlog)
        yield server


def connected(host: str, server: socket.socket) -> socket.socket:
    """Connect to a host, at the port of a server."""
    return asyncio.run(connect(Endpoint(host, server.getsockname()[1]), 10.0))


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that never accepts, because its backlog is full, on HOST and on OTHER."""
    with listening(SILENT, backlog=0) as one, socket.socket() as first:
        port = one.getsockname()[1]
        with listening(OTHER, port, backlog=0), socket.socket() as second:
            first.connect((SILENT, port))
            second.connect((OTHER, port))
            yield port


def test_connects_to_the_first_address_that_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving({NAME: ("::1", OTHER, LISTENING)}))
    with listening(LISTENING) as server, connected(NAME, server) as connection:
        assert connection.getpeername() == server.getsockname()


def test_the_order_is_the_caller_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving({NAME: (LISTENING, SILENT)}))
    with listening(LISTENING) as one, listening(SILENT, one.getsockname()[1]):
        at = Endpoint(NAME, one.getsockname()[1])
        with asyncio.run(connect(at, 10.0, lambda found: found[::-1])) as connection:
            assert connection.getpeername()[0] == SILENT


def test_an_address_that_is_silent_leaves_time_for_the_others(
    monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving({NAME: (SILENT, OTHER, LISTENING)}))
    with listening(LISTENING, silent):
        began = time.monotonic()
        with asyncio.run(connect(Endpoint(NAME, silent), 3.0)) as connection:
            assert connection.getpeername()[0] == LISTENING
        assert 2.0 <= time.monotonic() - began < allowed(3.0), "a third of it for each"


def test_the_time_is_for_all_addresses_together(monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving({NAME: (SILENT, OTHER)}))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(connect(Endpoint(NAME, silent), 0.4))
    assert 0.4 <= time.monotonic() - began < allowed(2.0)


def test_the_time_is_for_the_look_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = resolving({NAME: (LISTENING,)}, lambda _: time.sleep(0.5))
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(connect(Endpoint(NAME, 1), 0.1))
    assert time.monotonic() - began < allowed(0.4)


def test_of_several_failures_the_last_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving({NAME: ("255.255.255.255", LISTENING)}))
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(connect(Endpoint(NAME, free_port()), 10.0))


def test_localhost_is_either_loopback() -> None:
    with listening("127.0.0.1") as server, connected("localhost", server) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


def test_failed_or_cancelled_connections_leak_no_socket(silent: int) -> None:
    async def scenario() -> None:
        before = sockets()
        for _ in range(20):
            with pytest.raises(ConnectionRefusedError):
                await connect(Endpoint(LISTENING, silent), 10.0)
            with pytest.raises(TimeoutError):
                await connect(Endpoint(SILENT, silent), 0.01)
            connecting = asyncio.create_task(connect(Endpoint(SILENT, silent), 10.0))
            await eventually("it connects", lambda: sockets() > before)
            connecting.cancel()
            await asyncio.wait({connecting})
        assert sockets() == before

    asyncio.run(scenario())


def test_keepalive_is_enabled() -> None:
    with listening(LISTENING) as server, connected(LISTENING, server) as connection:
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
