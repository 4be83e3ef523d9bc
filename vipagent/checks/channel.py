"""A connection of one check: in the clear on a bare socket, which takes less CPU than a stream, or by TLS."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from vipagent.checks.network import Endpoint
from vipagent.net.tls import Verify, system_context

CHUNK = 16384
"""Bytes that are read at once."""


class Channel(Protocol):
    """Sends and receives."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        ...

    async def receive(self) -> bytes:
        """Wait for some bytes; none: the other side has closed.

        The loop turns meanwhile, even if they are there already: else whoever sends without end would hold
        up the whole agent, and no time limit would ever end the check.
        """
        ...


class _Plain:
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._socket, data)

    async def receive(self) -> bytes:
        await asyncio.sleep(0)  # sock_recv does not wait for what is there
        return await self._loop.sock_recv(self._socket, CHUNK)


class _Encrypted:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> bytes:
        await asyncio.sleep(0)  # nor does a stream
        return await self._reader.read(CHUNK)


@asynccontextmanager
async def plain(where: Endpoint) -> AsyncIterator[Channel]:
    """Connect in the clear.

    A literal address costs no thread. A name does: its resolver, in the loop's pool of threads.
    """
    with await _connected(where) as connected:
        yield _Plain(connected)


@asynccontextmanager
async def encrypted(where: Endpoint, verify: Verify) -> AsyncIterator[Channel]:
    """Connect by TLS; the system's certificates say whom to trust. Names as with `plain`."""
    context = system_context(verify)
    reader, writer = await asyncio.open_connection(where.host, where.port, ssl=context)
    try:
        yield _Encrypted(reader, writer)
    finally:
        writer.transport.abort()  # all has been said: no time is spent on parting


async def _connected(where: Endpoint) -> socket.socket:
    """Try the host's addresses one after the other."""
    failure = OSError("the name has no address")
    for family, address in await _addresses(where):
        try:
            return await _connect(family, address)
        except OSError as error:
            failure = error
    raise failure


async def _connect(family: int, address: tuple[Any, ...]) -> socket.socket:
    connecting = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(connecting, address)
    except BaseException:
        connecting.close()
        raise
    return connecting


async def _addresses(where: Endpoint) -> list[tuple[int, tuple[Any, ...]]]:
    try:
        found = socket.getaddrinfo(
            where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except socket.gaierror:  # no literal address
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]
