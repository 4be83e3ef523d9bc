"""etcd's JSON gateway on one server: requests, streams, and the token that goes with them."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self

from vipagent_etcd.errors import Refused, Silent, Unreachable, explanation
from vipagent_etcd.http import Dialling, HttpConnection, Server
from vipagent_etcd.keyvalues import Message
from vipagent_etcd.names import Resolver
from vipagent_etcd.options import EtcdOptions

OK = 200
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer, or of one message of a stream: what is longer cannot be read."""
WITH_LEADER = {"Grpc-Metadata-hasleader": "true"}
"""Without it a member that has lost its quorum keeps a watch open, and silent."""
WHOLE_REQUEST = {"Connection": "close"}
"""For a stream with several requests: without it, Go's HTTP server throws away what it has not read yet of
them once it answers the first, which it does as soon as it can (of 250 watches, a few were never made)."""
AUTHENTICATE = "/v3/auth/authenticate"
AUTHENTICATION_IS_OFF = 9  # gRPC's FAILED_PRECONDITION


@dataclass(frozen=True, slots=True)
class Access:
    """What it takes to be let in by any of the servers."""

    resolver: Resolver
    options: EtcdOptions


class Gateway:
    """One server. Requests share one connection, one after the other; each stream has its own."""

    def __init__(self, server: Server, access: Access, patience: float) -> None:
        """Prepare; nothing is connected.

        Args:
            server: which one.
            access: how to be let in.
            patience: seconds until a request, or the beginning of a stream, is given up.
        """
        self.server = server
        self.patience = patience
        self._options = access.options
        self._dialling = Dialling(access.resolver, cache(access.options.tls_context))
        self._connection = HttpConnection(server, self._dialling)
        self._turn = asyncio.Lock()
        self._token = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    async def ask(self, path: str, request: Message) -> Message:
        """Send a request, and return the answer; of a method that streams, its only message.

        Raises:
            Unreachable: no answer in time, or none of etcd's.
            Refused: etcd's refusal.
        """
        async with self._turn, deadline(self.patience):
            try:
                return await self._ask_as_somebody(path, request)
            except Refused as refusal:
                if not self._forgets_token(refusal):
                    raise
                return await self._ask_as_somebody(path, request)

    async def follow(self, path: str, *requests: Message) -> AsyncGenerator[Message, None]:
        """Open a stream with these requests, and yield its messages; how long to wait is the caller's.

        Raises:
            Unreachable: there is none, or it ended.
            Refused: etcd's refusal, at first or later.
        """
        body = b"\n".join(json.dumps(request).encode() for request in requests)
        async with HttpConnection(self.server, self._dialling) as connection:
            async with self._turn:
                headers = {**await self._headers(), **WHOLE_REQUEST}
            async with aclosing(_messages(connection, path, body, headers)) as messages:
                async for message in messages:
                    yield message
        raise Unreachable("it ended the stream")

    def _forgets_token(self, refusal: Refused) -> bool:
        """Drop a token that the server no longer takes; return whether another one might help."""
        if refusal.stale_identity:
            self._token = ""
        return refusal.stale_identity and bool(self._options.user)

    async def _ask_as_somebody(self, path: str, request: Message) -> Message:
        return await self._post(path, request, await self._headers())

    async def _headers(self) -> dict[str, str]:
        if self._options.user and not self._token:
            self._token = await self._log_in()
        return {**WITH_LEADER, "Authorization": self._token} if self._token else WITH_LEADER

    async def _log_in(self) -> str:
        """Return a token; an empty one from a server that takes everybody."""
        try:
            identity = {"name": self._options.user, "password": self._options.password}
            answer = await self._post(AUTHENTICATE, identity, WITH_LEADER)
        except Refused as refusal:
            if refusal.code != AUTHENTICATION_IS_OFF:
                raise
            return ""
        return str(answer.get("token", ""))

    async def _post(self, path: str, request: Message, headers: dict[str, str]) -> Message:
        body = json.dumps(request).encode()
        async with aclosing(_messages(self._connection, path, body, headers)) as messages:
            answer = await anext(messages, None)
            async for _ in messages:
                pass  # to its end, for the next request, and without keeping it
        if answer is None:
            raise Unreachable("an empty answer")
        return answer


@asynccontextmanager
async def deadline(patience: float) -> AsyncIterator[None]:
    """Give up after so many seconds.

    Raises:
        Silent: they are over.
    """
    try:
        async with asyncio.timeout(patience):
            yield
    except TimeoutError:
        raise Silent(f"no answer within {patience:.2g} s") from None


async def _messages(
    connection: HttpConnection, path: str, body: bytes, headers: dict[str, str]
) -> AsyncGenerator[Message, None]:
    """Send a request, and yield the messages of its answer, one a line."""
    status, pieces = await connection.post(path, body, headers)
    unread = bytearray()
    async with aclosing(pieces):
        async for piece in pieces:
            unread += piece
            if b"\n" in piece:
                *lines, unread = unread.split(b"\n")
                for line in lines:
                    yield _message(status, line)
            if len(unread) > LARGEST_ANSWER:
                raise Unreachable(f"an answer of more than {LARGEST_ANSWER} bytes")
    if unread:
        yield _message(status, unread)


def _message(status: int, line: bytearray) -> Message:
    """Read a message.

    Raises:
        Refused: it is an error.
        Unreachable: it is nothing of etcd's.
    """
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        if told := explanation(line.decode(errors="replace")):
            raise Refused(told, 0)
        raise Unreachable(f"HTTP {status} and no JSON: is this a client port of etcd 3.4 or later?")
    if status == OK and "error" not in said:
        result = said.get("result", said)
        return result if isinstance(result, dict) else {}
    raise _refusal(said)


def _refusal(said: Message) -> Refused:
    """Read an error: of a request {error, message, code}, of a stream {error: {message, grpc_code}}."""
    error = said.get("error")
    told: Message = error if isinstance(error, dict) else said
    code = told.get("grpc_code", told.get("code"))
    return Refused(str(told.get("message") or error or said), code if type(code) is int else 0)
