"""A server on loopback that gives every connection the same bytes, and a check that goes there."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vipagent.checks.kinds import check_for
from vipagent.checks.outcome import CheckOutcome
from vipagent.checks.settings import CheckSettings
from vipagent.net.tls import Verify


class Answering:
    """What the server was asked, and where it listens."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        self.connections = 0


@asynccontextmanager
async def answering(
    *chunks: bytes, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, hang: bool = False
) -> AsyncIterator[Answering]:
    """Serve; each chunk goes out by itself, then the connection is closed, or hangs."""
    server = Answering()

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
            pass  # the check has what it wanted
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


async def check(url: str, within: float = 10.0, verify: Verify = Verify.YES) -> CheckOutcome:
    """Check the URL once."""
    chosen = check_for(CheckSettings(check=url, timeout=within, check_verify=verify))
    assert chosen is not None
    return await chosen.run()
