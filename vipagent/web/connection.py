"""One connection of an HTTP client: one request, one answer, each within its time.

h11 reads and writes HTTP/1.1. A server on top of it, such as uvicorn, was measured: a connection that never
asks for anything stays open for ever there, however many there are, and its loop turns ten times a second. An
agent that runs out of descriptors cannot run its checks.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus

import h11

from vipagent.web.site import Request, Response, plain

REQUEST_WITHIN = 5.0
"""Seconds for a whole request to arrive."""
SEND_WITHIN = 10.0
"""Seconds in which a client has to take the answer, or the next event."""
LARGEST_HEAD = 16384
"""Bytes of a request's head; a body is not read."""
CHUNK = 4096


class Connection:
    """Reads one request, sends the answer, and closes.

    Args:
        reader: what the client says.
        writer: what we say.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)

    async def serve(self, answer: Callable[[Request], Response]) -> None:
        """Serve one request, whatever the client does."""
        try:
            with contextlib.suppress(OSError, TimeoutError, h11.ProtocolError):  # the client's own fault
                await self._respond(answer)
                await self._close()
        finally:
            self._writer.transport.abort()

    async def _respond(self, answer: Callable[[Request], Response]) -> None:
        try:
            async with asyncio.timeout(REQUEST_WITHIN):
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

    async def _request(self) -> Request | None:
        """Return the request; None: the client has left without one."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
                path = event.target.decode("latin-1").partition("?")[0]
                return Request(event.method.decode("latin-1"), path, headers)
            if event is not h11.NEED_DATA:
                return None
            self._http.receive_data(await self._reader.read(CHUNK))

    async def _send_head(self, response: Response) -> None:
        headers = response.headers
        if response.events is None:
            headers.append(("Content-Length", str(len(response.body))))
        if response.status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "GET, HEAD"))
        await self._send(
            h11.Response(status_code=response.status, headers=headers, reason=response.status.phrase)
        )

    async def _follow(self, events: AsyncGenerator[bytes, None]) -> None:
        """Send events until the client leaves; what it may say meanwhile is the end, too."""
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
        async with asyncio.timeout(SEND_WITHIN):
            await self._writer.drain()

    async def _close(self) -> None:
        self._writer.close()
        async with asyncio.timeout(SEND_WITHIN):
            await self._writer.wait_closed()
