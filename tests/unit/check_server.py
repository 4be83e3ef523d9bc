"""A server on loopback that sends fixed bytes to each connection, and a check against it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vipagent.checks.kinds import check_for
from vipagent.checks.outcome import CheckOutcome
from vipagent.checks.settings import CheckSettings
from vipagent.net.tls import Verify


class CheckServer:
    """Port, received requests and number of connections of the server."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        self.connections = 0


@asynccontextmanager
async def answering(
    *chunks: bytes, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, hang: bool = False
) -> AsyncIterator[CheckServer]:
    """Run the server; each chunk is sent separately, then the connection is closed or left open."""
    server = CheckServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            server.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(0.01)
            if hang:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the check has closed the connection
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


async def check(url: str, time_limit: float = 10.0, verify: Verify = Verify.YES) -> CheckOutcome:
    """Run one check of the URL."""
    chosen = check_for(CheckSettings(check=url, timeout=time_limit, check_verify=verify))
    assert chosen is not None
    return await chosen.run()
