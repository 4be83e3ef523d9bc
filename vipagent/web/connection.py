"""One connection of an HTTP client: one request and one response, with timeouts.

Uses h11 directly. A server such as uvicorn keeps any number of idle connections open indefinitely, and wakes
up ten times per second; an agent without free file descriptors cannot run its checks.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus

import h11

from vipagent.web.site import PageRequest, PageResponse, plain

HTTP_REQUEST_TIMEOUT = 5.0
"""Timeout in seconds to receive a request."""
SEND_TIMEOUT = 10.0
"""Timeout in seconds for a client to receive a chunk of the response, or the next event."""
MAX_REQUEST_HEAD = 16384
"""Maximum size of the request headers in bytes; a body is not read."""
CHUNK = 4096


class ClientConnection:
    """Receives one request, sends the response, and closes the connection.

    Args:
        reader: stream from the client.
        writer: stream to the client.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST_HEAD)

    async def serve(self, answer: Callable[[PageRequest], PageResponse]) -> None:
        """Serve one request; errors of the client are ignored."""
        try:
            with contextlib.suppress(OSError, TimeoutError, h11.ProtocolError):  # caused by the client
                await self._respond(answer)
                await self._close()
        finally:
            self._writer.transport.abort()

    async def _respond(self, answer: Callable[[PageRequest], PageResponse]) -> None:
        try:
            async with asyncio.timeout(HTTP_REQUEST_TIMEOUT):
                request = await self._request()
        except h11.RemoteProtocolError as error:
            status = HTTPStatus(error.error_status_hint)
            request, response = None, plain(status, status.phrase)
        else:
            if request is None:
                return
            response = answer(request)
        await self._send_head(response)
        if request is not None and request.method == "HEAD":
            return
        if response.events is None:
            await self._send(h11.Data(response.body))
        else:
            await self._follow(response.events)
        await self._send(h11.EndOfMessage())

    async def _request(self) -> PageRequest | None:
        """Return the request; None: the client has disconnected."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
                path = event.target.decode("latin-1").partition("?")[0]
                return PageRequest(event.method.decode("latin-1"), path, headers)
            if event is not h11.NEED_DATA:
                return None
            self._http.receive_data(await self._reader.read(CHUNK))

    async def _send_head(self, response: PageResponse) -> None:
        headers = response.headers
        if response.events is None:
            headers.append(("Content-Length", str(len(response.body))))
        if response.status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "GET, HEAD"))
        await self._send(
            h11.Response(status_code=response.status, headers=headers, reason=response.status.phrase)
        )

    async def _follow(self, events: AsyncGenerator[bytes, None]) -> None:
        """Send events until the client disconnects or sends more data."""
        sending = asyncio.ensure_future(self._send_each(events))
        leaving = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send_each(self, events: AsyncGenerator[bytes, None]) -> None:
        async with contextlib.aclosing(events):
            async for event in events:
                await self._send(h11.Data(event))

    async def _send(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")
        async with asyncio.timeout(SEND_TIMEOUT):
            await self._writer.drain()

    async def _close(self) -> None:
        self._writer.close()
        async with asyncio.timeout(SEND_TIMEOUT):
            await self._writer.wait_closed()
