"""A TCP proxy that notes what clients say: to count what an agent asks of a store."""

import asyncio
from contextlib import suppress

from tests.servers.process import free_port, wait_for
from vipagent.store.loop import LoopThread

HOST = "127.0.0.1"


class Tap:
    """Passes everything on to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._port = free_port()
        self._loop = LoopThread("tap")
        self._ending = asyncio.Event()
        self._listening = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: list[bytearray] = []
        self._loop.start(self._serve)
        wait_for("the tap listens", lambda: self._listening)

    @property
    def address(self) -> str:
        """`HOST:PORT` for clients."""
        return f"{HOST}:{self._port}"

    def said(self) -> list[bytes]:
        """Return what clients have said so far, a piece for each connection."""
        return [bytes(said) for said in self._said]

    def close(self) -> None:
        """End it, and all connections."""
        self._loop.post(self._ending.set)
        assert self._loop.join(5.0)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, HOST, self._port)
        self._listening = True
        await self._ending.wait()
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
        said = bytearray()
        self._said.append(said)
        with suppress(OSError, asyncio.CancelledError):
            answers, server = await asyncio.open_connection(HOST, self._target)
            await asyncio.gather(_pass_on(reader, server, said), _pass_on(answers, client, bytearray()))
        client.transport.abort()


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter, said: bytearray) -> None:
    while data := await source.read(65536):
        said += data
        sink.write(data)
        await sink.drain()
    sink.transport.abort()
