"""HTTP/1.1 client: `Protocol` over asyncio streams, with timeouts."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple, Self

from vipagent.net.connecting import Order, connect
from vipagent.net.endpoint import Endpoint
from vipagent.net.protocol import MAX_HEAD, Head, Progress, Protocol, Request

READ_SIZE = 16 * 1024
"""Maximum number of bytes per read."""

Tls = Callable[[], ssl.SSLContext | None]
"""Returns the TLS context of each connection; None: no TLS."""


def unencrypted() -> None:
    """Disable TLS."""


class HttpResponse(NamedTuple):
    """A complete response."""

    head: Head
    body: bytes


class HttpClient:
    """Sequential exchanges with one server on one connection.

    The first request opens the connection. Any failure closes it, and so does cancelling an exchange; the
    next request opens a new one. Proxies and the environment are ignored, and redirects are not followed.
    """

    def __init__(
        self, server: Endpoint, tls: Tls = unencrypted, order: Order = list, max_head: int = MAX_HEAD
    ) -> None:
        """Initialize, without connecting.

        Args:
            server: address of the server.
            tls: returns the TLS context.
            order: order of the addresses.
            max_head: maximum number of bytes before the body of a response.
        """
        self.server = server
        self.has_answered = False
        """Whether any response was received."""
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
        """Close the connection immediately."""
        if self._streams is not None:
            self._streams[1].transport.abort()
        self._streams = None

    async def fetch(self, request: Request, within: float, budget: float) -> HttpResponse:
        """Send a request and receive the complete response.

        Args:
            request: the request.
            within: total timeout in seconds, from the name lookup to the last byte.
            budget: maximum number of received bytes.

        Raises:
            OSError: the exchange failed; `TimeoutError` after the timeout, `ProtocolError` for an invalid
                or too large response.
        """
        async with asyncio.timeout(within):
            head = await self.begin(request, within, budget)
            return HttpResponse(head, b"".join([piece async for piece in self.pieces()]))

    async def begin(self, request: Request, within: float, budget: float = float("inf")) -> Head:
        """Send a request, and return the head of the response. `pieces` yields the body.

        Args and errors: see `fetch`; the timeout applies until the end of the head.
        """
        with self._closing_on_failure():
            async with asyncio.timeout(within):
                _, writer = await self._connected(within)
                writer.write(self._protocol.send(request, budget))
                await writer.drain()
                while not isinstance(head := await self._next(), Head):
                    pass  # the body follows the head
        self.has_answered = True
        return head

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the body of the current response in chunks; the caller sets the timeout.

        Raises:
            OSError: see `fetch`.
        """
        with self._closing_on_failure():
            while isinstance(piece := await self._next(), bytes):
                yield piece

    async def _next(self) -> Head | bytes | Progress:
        """Return the next part of the response.

        Each read yields to the event loop, even if data is available: otherwise an endless response would
        block the agent, and no timeout would take effect.
        """
        while (event := self._protocol.next_event()) is Progress.READ:
            if self._streams is None:
                raise ConnectionAbortedError("the connection was closed")
            data = await self._streams[0].read(READ_SIZE)
            await asyncio.sleep(0)
            self._protocol.receive(data)
        return event

    async def _connected(self, within: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the connection if it is idle, otherwise a new one."""
        if self._streams is None or self._streams[0].at_eof() or not self._protocol.is_idle:
            self.close()
            context = self._tls()
            connected = await connect(self.server, within, self._order)
            try:
                self._streams = await asyncio.open_connection(sock=connected)
            except BaseException:
                connected.close()
                raise
            if (
                context is not None
            ):  # separate step: asyncio leaks a connection if cancelled before its handshake
                await self._streams[1].start_tls(context, server_hostname=self.server.host)
            self._protocol = Protocol(self._max_head)
        return self._streams

    @contextmanager
    def _closing_on_failure(self) -> Iterator[None]:
        """Close the connection on any exception, because a late response would not match a request."""
        try:
            yield
        except BaseException:
            self.close()
            raise
