"""A TCP proxy that records the data from clients, to count their requests."""

import asyncio
from contextlib import suppress

from tests.servers.process import free_port, wait_for
from vipagent.store.loop import LoopThread

HOST = "127.0.0.1"


class Tap:
    """Forwards all connections to a local port."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._port = free_port()
        self._loop = LoopThread("tap")
        self._stopping = asyncio.Event()
        self._listening = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent: list[bytearray] = []
        self._loop.start(self._serve)
        wait_for("the tap listens", lambda: self._listening)

    @property
    def address(self) -> str:
        """`HOST:PORT` for clients."""
        return f"{HOST}:{self._port}"

    def sent(self) -> list[bytes]:
        """Return the data from clients so far, by connection."""
        return [bytes(sent) for sent in self._sent]

    def close(self) -> None:
        """Stop it, and close all connections."""
        self._loop.post(self._stopping.set)
        assert self._loop.join(5.0)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, HOST, self._port)
        self._listening = True
        await self._stopping.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        sent = bytearray()
        self._sent.append(sent)
        with suppress(OSError, asyncio.CancelledError):
            replies, server = await asyncio.open_connection(HOST, self._target)
            await asyncio.gather(_forward(reader, server, sent), _forward(replies, client, bytearray()))
        client.transport.abort()


async def _forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter, sent: bytearray) -> None:
    while data := await source.read(65536):
        sent += data
        sink.write(data)
        await sink.drain()
    sink.transport.abort()
