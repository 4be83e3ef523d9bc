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
from vipagent_etcd.login import LOGIN_TIMEOUT, Login
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
STATUS = "/v3/maintenance/status"
PULSE = (1.0, 2.0)
"""Seconds, at least and at most, that a server has to show that it is alive while a login waits: those who
wait for the same login have more patience, or less, than who began it."""
AUTHENTICATION_IS_OFF = 9  # gRPC's FAILED_PRECONDITION


@dataclass(frozen=True, slots=True)
class Access:
    """What it takes to be let in by any of the servers."""

    resolver: Resolver
    options: EtcdOptions
    login: Login


class Gateway:
    """One server. Requests share one connection, one after the other; each stream has its own."""

    def __init__(self, server: Server, access: Access, patience: float) -> None:
        """Prepare; nothing is connected.

        Args:
            server: which one.
            access: how to be let in.
            patience: seconds until a request, or the beginning of a stream, is given up; a login has its own.
        """
        self.server = server
        self.patience = patience
        self._options = access.options
        self._login = access.login
        self._dialling = Dialling(access.resolver, cache(access.options.tls_context))
        self._connection = HttpConnection(server, self._dialling)
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    async def ask(self, path: str, request: Message, any_token: bool = False) -> Message:
        """Send a request, and return the answer; of a method that streams, its only message.

        Args:
            path: of the method.
            request: its message.
            any_token: do not wait for a login where an invalid token may do.

        Raises:
            Unreachable: no answer in time, or none of etcd's.
            Refused: etcd's refusal.
        """
        token = await self._token(any_token)
        try:
            return await self._ask_with(token, path, request)
        except Refused as refusal:
            if not (refusal.stale_identity and self._login.invalidate(token)):
                raise
        return await self._ask_with(await self._token(), path, request)

    async def log_in(self) -> None:
        """Log in, if the next request would have to.

        Raises:
            EtcdError: it failed.
        """
        await self._token()

    async def follow(self, path: str, *requests: Message) -> AsyncGenerator[Message, None]:
        """Open a stream with these requests, and yield its messages; how long to wait is the caller's.

        Raises:
            Unreachable: there is none, or it ended.
            Refused: etcd's refusal, at first or later.
        """
        body = b"\n".join(json.dumps(request).encode() for request in requests)
        async with HttpConnection(self.server, self._dialling) as connection:
            headers = {**_headers(await self._token()), **WHOLE_REQUEST}
            async with aclosing(_messages(connection, path, body, headers)) as messages:
                async for message in messages:
                    yield message
        raise Unreachable("it ended the stream")

    async def _token(self, any_token: bool = False) -> str | None:
        known = self._login.token
        if self._login.is_needed and (known is None or not any_token):
            try:
                async with asyncio.TaskGroup() as tasks:
                    seeing = tasks.create_task(self._see_alive_on())
                    known = await self._login.renew(self.server, self._authenticate)
                    seeing.cancel()
            except ExceptionGroup as faults:
                raise faults.exceptions[0] from None
        return known

    async def _authenticate(self, password: str) -> str:
        """Return a token; an empty one from a server that takes everybody."""
        async with HttpConnection(self.server, self._dialling) as connection:
            async with deadline(self._pulse):
                await _see_alive(connection)
            answer = await self._exchange(connection, password)
        return str(answer.get("token", ""))

    async def _exchange(self, connection: HttpConnection, password: str) -> Message:
        identity = {"name": self._options.user, "password": password}
        try:
            async with deadline(LOGIN_TIMEOUT, "the login was not answered"):
                return await _post(connection, AUTHENTICATE, identity, WITH_LEADER)
        except Refused as refusal:
            if refusal.code != AUTHENTICATION_IS_OFF:
                raise
            return {}

    async def _see_alive_on(self) -> None:
        """Find out, on another connection, that the server freezes while the login waits for its turn.

        Whoever waits leaves then; the login goes on. Begun anew, it costs a server that is merely busy as much
        again, and if all agents do that, none is ever let in.

        Raises:
            EtcdError: it does not answer, or there is no leader.
        """
        async with HttpConnection(self.server, self._dialling) as connection:
            while True:
                await asyncio.sleep(self._pulse)
                async with deadline(self._pulse):
                    await _see_alive(connection)

    @property
    def _pulse(self) -> float:
        least, most = PULSE
        return min(most, max(least, self.patience))

    async def _ask_with(self, token: str | None, path: str, request: Message) -> Message:
        async with self._turn, deadline(self.patience):
            return await _post(self._connection, path, request, _headers(token))


def _headers(token: str | None) -> dict[str, str]:
    return {**WITH_LEADER, "Authorization": token} if token else WITH_LEADER


async def _see_alive(connection: HttpConnection) -> None:
    """Ask what costs nothing: a login waits long, so a server that is frozen, or without a quorum, gets none.

    Raises:
        EtcdError: it is not answered, or there is no leader.
    """
    try:
        await _post(connection, STATUS, {}, WITH_LEADER)
    except Refused as refusal:
        if refusal.passing:
            raise


async def _post(connection: HttpConnection, path: str, request: Message, headers: dict[str, str]) -> Message:
    body = json.dumps(request).encode()
    async with aclosing(_messages(connection, path, body, headers)) as messages:
        answer = await anext(messages, None)
        async for _ in messages:
            pass  # to its end, for the next request, and without keeping it
    if answer is None:
        raise Unreachable("an empty answer")
    return answer


@asynccontextmanager
async def deadline(patience: float, failure: str = "no answer") -> AsyncIterator[None]:
    """Give up after so many seconds.

    Raises:
        Silent: they are over.
    """
    try:
        async with asyncio.timeout(patience):
            yield
    except TimeoutError:
        raise Silent(f"{failure} within {patience:.2g} s") from None


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
