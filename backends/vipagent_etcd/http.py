"""One HTTP/1.1 connection with one server: asyncio's streams, and h11, which is httpx's own parser."""

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import h11

from vipagent_etcd.errors import CLOSED, Unreachable, in_words
from vipagent_etcd.names import Resolver

DOUBTS = {
    False: "does it want TLS?",
    True: "does it speak TLS, and does it want a certificate of ours (certfile, keyfile), or another one?",
}
"""What a server may mean that closes a connection before it has ever answered."""
LARGEST_HEAD = 64 * 1024
"""Bytes of an answer's head, and those after which no more informational answers (1xx) before it are read."""
CHUNK = 64 * 1024
"""Bytes that are read at once."""
SILENCE = 15
"""Seconds of silence after which the kernel asks whether the other side is still there; it asks thrice."""


@dataclass(frozen=True, slots=True, order=True)
class Server:
    """One of the configured hosts."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Dialling:
    """How to connect."""

    resolver: Resolver
    tls: Callable[[], ssl.SSLContext | None]
    """Returns the context; None: in the clear."""


Body = AsyncGenerator[bytes, None]
"""What there is of it, piece by piece, as it comes."""


class HttpConnection:
    """Opened by the first request; ended by any failure, and by giving up on an answer."""

    def __init__(self, server: Server, dialling: Dialling) -> None:
        self._server = server
        self._dialling = dialling
        self._http = h11.Connection(h11.CLIENT)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._encrypts = False
        self._has_answered = False
        self._received = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, with no time spent on parting; the next request opens another."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Body]:
        """Send a request, and return the answer's status and its body, piece by piece.

        The body has to be read to its end before the next request, else that one opens another connection.

        Raises:
            Unreachable: no connection, or no HTTP.
        """
        with self._ending_on_failure():
            reader, writer = await self._connected()
            head = {"Host": str(self._server), "Content-Length": str(len(body)), **headers}
            request = h11.Request(method="POST", target=path, headers=list(head.items()))
            for event in (request, h11.Data(body), h11.EndOfMessage()):
                writer.write(self._http.send(event) or b"")
            await writer.drain()
            answer = await self._answer(reader)
            self._has_answered = True
            return answer.status_code, self._body(reader)

    async def _answer(self, reader: asyncio.StreamReader) -> h11.Response:
        """Return the head of the answer; what comes before it (100 Continue and the like) has an end, too."""
        limit = self._received + LARGEST_HEAD
        while not isinstance(event := await self._event(reader), h11.Response):
            if self._received > limit:
                raise h11.RemoteProtocolError(f"no final status in the first {LARGEST_HEAD} bytes")
        return event

    async def _body(self, reader: asyncio.StreamReader) -> Body:
        with self._ending_on_failure():
            while not isinstance(event := await self._event(reader), h11.EndOfMessage):
                if isinstance(event, h11.Data):
                    yield bytes(event.data)

    async def _event(self, reader: asyncio.StreamReader) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await reader.read(CHUNK)
            self._received += len(data)
            self._http.receive_data(data)
            await asyncio.sleep(0)  # a stream does not wait for what is there: let the loop turn
        if isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError
        return event

    @contextmanager
    def _ending_on_failure(self) -> Iterator[None]:
        """Close on any exception, a cancellation too: whatever may still come is nobody's answer."""
        try:
            yield
        except OSError as error:
            self.close()
            raise Unreachable(self._explain(error)) from error
        except h11.RemoteProtocolError as error:
            cut = self._reader is not None and self._reader.at_eof()
            self.close()
            raise Unreachable(
                self._explain(ConnectionResetError()) if cut else f"no proper HTTP: {error}"
            ) from error
        except BaseException:
            self.close()
            raise

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof() or not self._is_idle():
            self.close()
            self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
            self._reader, self._writer = await self._dial()
            _probe_silence(self._writer.get_extra_info("socket"))
        return self._reader, self._writer

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Try the host's addresses one after the other."""
        host, port = self._server.host, self._server.port
        try:
            context = self._dialling.tls()
        except OSError as error:
            raise Unreachable(f"our ca, certfile or keyfile cannot be used: {error}") from error
        self._encrypts = context is not None
        failure = OSError("the name has no address")
        addresses = await self._dialling.resolver.addresses(host, port)
        for address in random.sample(addresses, len(addresses)):  # one that hangs takes all the time there is
            try:
                return await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=host if context else None
                )
            except OSError as error:
                failure = error
        raise failure

    def _explain(self, error: OSError) -> str:
        told = in_words(error)
        if told == CLOSED and not self._has_answered:
            told += f": {DOUBTS[self._encrypts]}"
        return told

    def _is_idle(self) -> bool:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return self._http.our_state is h11.IDLE


def _probe_silence(connected: socket.socket) -> None:
    """Have the kernel find out that a quiet connection is dead: a firewall may have forgotten it."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, SILENCE),
        (socket.TCP_KEEPINTVL, SILENCE // 3),
        (socket.TCP_KEEPCNT, 3),
    ):
        connected.setsockopt(socket.IPPROTO_TCP, option, value)
