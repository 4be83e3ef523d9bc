"""A TCP proxy in this process, for connections that hang, lag or break while the server works."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from tests.servers.process import free_port, wait_for
from vipagent.store.loop import LoopThread
from vipagent.testing.slowness import allowed

HOST = "127.0.0.1"


@dataclass(slots=True, eq=False)
class _Connection:
    """Both sides of one connection."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    first: bytes = b""
    """First data of the client."""


class Proxy:
    """Forwards connections to `address`, unless configured otherwise."""

    def __init__(self, target: str) -> None:
        """Start.

        Args:
            target: `HOST:PORT` of the server.
        """
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._port = free_port()
        self._loop = LoopThread("proxy")
        self._ending = asyncio.Event()
        self._connections: set[_Connection] = set()
        self._accepting: set[asyncio.Task[None]] = set()
        self._blocked: tuple[bytes, ...] = ()
        self._listening = False
        self._refusing = False
        self.refused = 0
        """Number of connections that were closed immediately."""
        self._loop.start(self._serve)
        wait_for("the proxy listens", lambda: self._listening)

    @property
    def address(self) -> str:
        """`HOST:PORT` for clients."""
        return f"{HOST}:{self._port}"

    def block(self, *texts: bytes) -> None:
        """Stop forwarding on all connections whose first data contains one of these texts."""
        self._loop.post(self._block, texts or (b"",))

    def resume(self) -> None:
        """Forward delayed and new data."""
        self._loop.post(self._resume)

    def refuse(self) -> None:
        """Close all current connections, and new ones immediately, until `resume`."""
        self._loop.post(self._refuse)

    def count(self, text: bytes = b"") -> int:
        """Return the number of connections whose first data contains this text."""
        return sum(text in connection.first for connection in list(self._connections))

    def cut(self) -> None:
        """Close all current connections, and wait until they are closed."""
        self._loop.run(self._cut_now, allowed(5.0))

    def close(self) -> None:
        """Stop it."""
        self._loop.post(self._ending.set)
        assert self._loop.join(allowed(5.0))

    async def _serve(self) -> None:
        async with await asyncio.start_server(self._accept, HOST, self._port) as server:
            self._listening = True
            await self._ending.wait()
            server.close()
            self._resume()
            self._cut()
            if self._accepting:
                await asyncio.wait(self._accepting)

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self._refusing:
            self.refused += 1
            client.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)
        with suppress(OSError):
            answers, server = await asyncio.open_connection(*self._target)
            connection = _Connection(client, server)
            self._connections.add(connection)
            connection.first = await reader.read(65536)
            self._update_flow(connection)
            await connection.flowing.wait()
            server.write(connection.first)
            await asyncio.gather(_forward(connection, reader, server), _forward(connection, answers, client))
            self._connections.discard(connection)
        client.transport.abort()

    def _update_flow(self, connection: _Connection) -> None:
        if any(text in connection.first for text in self._blocked):
            connection.flowing.clear()
        else:
            connection.flowing.set()

    def _block(self, texts: tuple[bytes, ...]) -> None:
        self._blocked = texts
        for connection in self._connections:
            self._update_flow(connection)

    def _resume(self) -> None:
        self._blocked, self._refusing = (), False
        for connection in self._connections:
            self._update_flow(connection)

    def _refuse(self) -> None:
        self._refusing = True
        self._cut()

    async def _cut_now(self) -> None:
        self._cut()
        await asyncio.sleep(0)  # the loop closes the sockets

    def _cut(self) -> None:
        for connection in self._connections:
            connection.client.transport.abort()
            connection.server.transport.abort()


async def _forward(connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Forward one direction, including end of file."""
    with suppress(OSError):
        while data := await source.read(65536):
            await connection.flowing.wait()
            sink.write(data)
            await sink.drain()
    sink.transport.abort()
