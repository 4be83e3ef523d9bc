"""The checked service: counts connections, and can fail HTTP checks."""

import asyncio
from contextlib import suppress

from tests.servers.process import free_port, wait_for
from vipagent.store.loop import LoopThread
from vipagent.testing.slowness import allowed

HOST = "127.0.0.1"
SUCCESS = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
FAILURE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Target:
    """One port for TCP and HTTP, on a separate thread."""

    def __init__(self) -> None:
        self.port = free_port()
        self.connections = 0
        """Number of connections of checks."""
        self.answer = SUCCESS
        self._loop = LoopThread("target")
        self._stopping = asyncio.Event()
        self._listening = False
        self._loop.start(self._serve)
        wait_for("the target listens", lambda: self._listening)

    def url(self, scheme: str) -> str:
        """Return the URL of a `tcp` or `http` check."""
        return f"{scheme}://{HOST}:{self.port}"

    def close(self) -> None:
        """Stop it."""
        self._loop.post(self._stopping.set)
        assert self._loop.join(allowed(5.0))

    async def _serve(self) -> None:
        async with await asyncio.start_server(self._accept, HOST, self.port):
            self._listening = True
            await self._stopping.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(OSError):
            if await reader.read(4096):
                writer.write(self.answer)
                await writer.drain()
        writer.close()
