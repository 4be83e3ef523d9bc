"""etcd's JSON gateway on one server: requests, streams, and the token that goes with them."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial

from vipagent.net.endpoint import Endpoint
from vipagent.store.tasks import Tasks
from vipagent_etcd.channel import Channel
from vipagent_etcd.errors import Refused, Silent, Unreachable
from vipagent_etcd.keyvalues import Message
from vipagent_etcd.login import LOGIN_TIMEOUT, Login
from vipagent_etcd.options import EtcdOptions

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

    options: EtcdOptions
    login: Login


class Gateway:
    """One server. Requests share one connection, one after the other; each stream has its own.

    So have those that any token may do: a keep-alive has no time to wait for its turn after registrations.
    """

    def __init__(self, server: Endpoint, access: Access, patience: float) -> None:
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
        self._tls = cache(partial(_tls_context, access.options))
        self._connections = {any_token: (self._channel(), asyncio.Lock()) for any_token in (False, True)}

    def close(self) -> None:
        """Close the connections; a login goes on."""
        for channel, _ in self._connections.values():
            channel.close()

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
            return await self._ask_with(token, path, request, any_token)
        except Refused as refusal:
            if not (refusal.stale_identity and self._login.invalidate(token)):
                raise
        return await self._ask_with(await self._token(), path, request, any_token)

    async def log_in(self) -> None:
        """Log in, if the next request would have to.

        Raises:
            DriverError: it failed.
        """
        await self._token()

    async def follow(self, path: str, *requests: Message) -> AsyncGenerator[Message, None]:
        """Open a stream with these requests, and yield its messages; how long to wait is the caller's.

        Raises:
            Unreachable: there is none, or it ended.
            Refused: etcd's refusal, at first or later.
        """
        token = await self._token()
        begun = False
        try:
            async with aclosing(self._follow_with(token, path, requests)) as messages:
                async for message in messages:
                    begun = True
                    yield message
        except Refused as refusal:
            if begun or not (refusal.stale_identity and self._login.invalidate(token)):
                raise
        else:
            raise Unreachable("it ended the stream")
        async with aclosing(self._follow_with(await self._token(), path, requests)) as messages:
            async for message in messages:
                yield message
        raise Unreachable("it ended the stream")

    async def _follow_with(
        self, token: str | None, path: str, requests: Sequence[Message]
    ) -> AsyncGenerator[Message, None]:
        headers = {**_headers(token), **WHOLE_REQUEST}
        async with (
            self._channel() as channel,
            aclosing(channel.stream(path, requests, headers, self.patience)) as messages,
        ):
            async for message in messages:
                yield message

    async def _token(self, any_token: bool = False) -> str | None:
        known = self._login.token
        if self._login.is_needed and (known is None or not any_token):
            async with Tasks() as tasks:
                seeing = tasks.create_task(self._see_alive_on())
                known = await self._login.renew(self.server, self._authenticate)
                seeing.cancel()
        return known

    async def _authenticate(self, password: str) -> str:
        """Return a token; an empty one from a server that takes everybody."""
        async with self._channel() as channel:
            await self._see_alive(channel)
            answer = await self._exchange(channel, password)
        return str(answer.get("token", ""))

    async def _exchange(self, channel: Channel, password: str) -> Message:
        identity = {"name": self._options.user, "password": password}
        try:
            return await channel.post(
                AUTHENTICATE, identity, WITH_LEADER, LOGIN_TIMEOUT, "the login was not answered"
            )
        except Refused as refusal:
            if refusal.code != AUTHENTICATION_IS_OFF:
                raise
            return {}

    async def _see_alive_on(self) -> None:
        """Find out, on another connection, that the server freezes while the login waits for its turn.

        Whoever waits leaves then; the login goes on. Begun anew, it costs a server that is merely busy as
        much again, and if all agents do that, none is ever let in.

        Raises:
            Unreachable: it does not answer, or there is no leader.
        """
        async with self._channel() as channel:
            while True:
                await asyncio.sleep(self._pulse)
                await self._see_alive(channel)

    async def _see_alive(self, channel: Channel) -> None:
        """Ask what costs nothing: a login waits long, so a frozen server, or one without a quorum, gets none.

        Raises:
            Unreachable: it is not answered, or there is no leader.
        """
        with suppress(Refused):  # which is an answer all the same
            await channel.post(STATUS, {}, WITH_LEADER, self._pulse)

    @property
    def _pulse(self) -> float:
        least, most = PULSE
        return min(most, max(least, self.patience))

    async def _ask_with(self, token: str | None, path: str, request: Message, any_token: bool) -> Message:
        channel, turn = self._connections[any_token]
        async with turn:
            return await channel.post(path, request, _headers(token), self.patience)

    def _channel(self) -> Channel:
        return Channel(self.server, self._tls, self._options.tls)


def _tls_context(options: EtcdOptions) -> ssl.SSLContext | None:
    try:
        return options.tls_context()
    except OSError as error:
        raise Unreachable(f"our ca, certfile or keyfile cannot be used: {error}") from error


def _headers(token: str | None) -> dict[str, str]:
    return {**WITH_LEADER, "Authorization": token} if token else WITH_LEADER


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
