"""The HTTP/1.1 client: `Protocol` over asyncio's streams, with a deadline for all that it does."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple, Self

from vipagent.net.connecting import Order, connect
from vipagent.net.endpoint import Endpoint
from vipagent.net.protocol import MAX_HEAD, Head, Progress, Protocol, Request

CHUNK = 16 * 1024
"""Bytes that are read at once."""

Tls = Callable[[], ssl.SSLContext | None]
"""Called for each connection; None: in the clear."""


def unencrypted() -> None:
    """Have the connection in the clear."""


class Answer(NamedTuple):
    """A whole one."""

    head: Head
    body: bytes


class HttpClient:
    """Exchanges with one server, one after the other, on one connection.

    The first request opens it; any failure ends it, and so does giving up on an answer, or on the rest of it:
    the next request opens another. Neither proxies nor anything else in the environment counts, and no
    redirection is followed.
    """

    def __init__(
        self, server: Endpoint, tls: Tls = unencrypted, order: Order = list, max_head: int = MAX_HEAD
    ) -> None:
        """Prepare; nothing is connected.

        Args:
            server: where it listens.
            tls: how to encrypt.
            order: in which the addresses of its name are tried.
            max_head: bytes that may come before an answer's body.
        """
        self.server = server
        self.has_answered = False
        """Whether there was ever an answer."""
        self._tls = tls
        self._order = order
        self._max_head = max_head
        self._protocol = Protocol(max_head)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, with no time spent on parting."""
        if self._streams is not None:
            self._streams[1].transport.abort()
        self._streams = None

    async def fetch(self, request: Request, within: float, budget: float) -> Answer:
        """Make a whole exchange.

        Args:
            request: what is asked.
            within: seconds for all of it, from the look-up of the name to the last byte.
            budget: bytes that may be received in all.

        Raises:
            OSError: what went wrong; a `TimeoutError` when the time is up, a `ProtocolError` when the answer
                is no HTTP, or over the budget.
        """
        async with asyncio.timeout(within):
            head = await self.begin(request, within, budget)
            return Answer(head, b"".join([piece async for piece in self.pieces()]))

    async def begin(self, request: Request, within: float, budget: float = float("inf")) -> Head:
        """Send a request, and return the head of its answer. `pieces` has the body.

        Args and errors are those of `fetch`, but the time is that until the head's last byte.
        """
        with self._closing_on_failure():
            async with asyncio.timeout(within):
                _, writer = await self._connected(within)
                writer.write(self._protocol.send(request, budget))
                await writer.drain()
                while not isinstance(head := await self._next(), Head):
                    pass  # a body follows its head
        self.has_answered = True
        return head

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the body of the present answer, as it comes; how long to wait is the caller's.

        Raises:
            OSError: as `fetch`.
        """
        with self._closing_on_failure():
            while isinstance(piece := await self._next(), bytes):
                yield piece

    async def _next(self) -> Head | bytes | Progress:
        """Return what comes next of the answer.

        The loop turns at each read, even of what is there already: else whoever sends without end would hold
        up the whole agent, and no deadline would ever be noticed.
        """
        while (event := self._protocol.next_event()) is Progress.READ:
            if self._streams is None:
                raise ConnectionAbortedError("closed meanwhile")
            data = await self._streams[0].read(CHUNK)
            await asyncio.sleep(0)
            self._protocol.receive(data)
        return event

    async def _connected(self, within: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the connection if another request can be sent on it, else a new one."""
        if self._streams is None or self._streams[0].at_eof() or not self._protocol.is_idle:
            self.close()
            context = self._tls()
            connected = await connect(self.server, within, self._order)
            try:
                self._streams = await asyncio.open_connection(sock=connected)
            except BaseException:
                connected.close()
                raise
            if context is not None:  # not at once: asyncio leaks what is cancelled as its handshake begins
                await self._streams[1].start_tls(context, server_hostname=self.server.host)
            self._protocol = Protocol(self._max_head)
        return self._streams

    @contextmanager
    def _closing_on_failure(self) -> Iterator[None]:
        """Close on any exception, a cancellation too: whatever may still come is nobody's answer."""
        try:
            yield
        except BaseException:
            self.close()
            raise
