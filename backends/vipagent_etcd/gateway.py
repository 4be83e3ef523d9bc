"""The JSON gateway of one server: requests, streams, and their token."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial

from vipagent.net.endpoint import Endpoint
from vipagent.store.tasks import Tasks
from vipagent_etcd.channel import GatewayConnection
from vipagent_etcd.errors import EtcdRefused, ResponseTimeout, Unreachable
from vipagent_etcd.keyvalues import Message
from vipagent_etcd.login import LOGIN_TIMEOUT, Login
from vipagent_etcd.options import EtcdOptions

WITH_LEADER = {"Grpc-Metadata-hasleader": "true"}
"""Without this header, a member without quorum keeps a watch open without events."""
WHOLE_REQUEST = {"Connection": "close"}
"""For a stream with several requests: without this header, Go's HTTP server discards unread requests when it
responds to the first one (of 250 watches, a few were never created)."""
AUTHENTICATE = "/v3/auth/authenticate"
STATUS = "/v3/maintenance/status"
SERVER_CHECK_TIMEOUT = (1.0, 2.0)
"""Lower and upper bound in seconds of the timeout of a server check while a login is pending: the timeouts of
the callers that wait for the same login differ."""
AUTHENTICATION_IS_OFF = 9  # gRPC's FAILED_PRECONDITION


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials and TLS settings for all servers."""

    options: EtcdOptions
    login: Login


class Gateway:
    """One server. Requests share one connection, sequentially; each stream has its own connection.

    Requests that accept any token also have their own connection, so that a keep-alive is not queued.
    """

    def __init__(self, server: Endpoint, access: Access, timeout: float) -> None:
        """Initialize, without connecting.

        Args:
            server: the server.
            access: credentials and TLS settings.
            timeout: timeout in seconds of a request, or until a stream begins; a login has its own timeout.
        """
        self.server = server
        self.timeout = timeout
        self._options = access.options
        self._login = access.login
        self._tls = cache(partial(_tls_context, access.options))
        self._connections = {any_token: (self._channel(), asyncio.Lock()) for any_token in (False, True)}

    def close(self) -> None:
        """Close the connections; a pending login continues."""
        for channel, _ in self._connections.values():
            channel.close()

    async def ask(self, path: str, request: Message, any_token: bool = False) -> Message:
        """Send a request, and return the response; for a streaming method, its only message.

        Args:
            path: path of the method.
            request: message of the request.
            any_token: do not wait for a login, because an invalid token is accepted.

        Raises:
            Unreachable: no valid response in time.
            EtcdRefused: etcd rejected the request.
        """
        token = await self._token(any_token)
        try:
            return await self._ask_with(token, path, request, any_token)
        except EtcdRefused as refusal:
            if not (refusal.stale_identity and self._login.invalidate(token)):
                raise
        return await self._ask_with(await self._token(), path, request, any_token)

    async def log_in(self) -> None:
        """Log in, if the next request requires it.

        Raises:
            DriverError: the login failed.
        """
        await self._token()

    async def follow(self, path: str, *requests: Message) -> AsyncGenerator[Message, None]:
        """Open a stream with these requests, and yield its messages; the caller sets their timeout.

        Raises:
            Unreachable: the stream failed or ended.
            EtcdRefused: etcd rejected a request.
        """
        token = await self._token()
        begun = False
        try:
            async with aclosing(self._follow_with(token, path, requests)) as messages:
                async for message in messages:
                    begun = True
                    yield message
        except EtcdRefused as refusal:
            if begun or not (refusal.stale_identity and self._login.invalidate(token)):
                raise
        else:
            raise Unreachable("the server ended the stream")
        async with aclosing(self._follow_with(await self._token(), path, requests)) as messages:
            async for message in messages:
                yield message
        raise Unreachable("the server ended the stream")

    async def _follow_with(
        self, token: str | None, path: str, requests: Sequence[Message]
    ) -> AsyncGenerator[Message, None]:
        headers = {**_headers(token), **WHOLE_REQUEST}
        async with (
            self._channel() as channel,
            aclosing(channel.stream(path, requests, headers, self.timeout)) as messages,
        ):
            async for message in messages:
                yield message

    async def _token(self, any_token: bool = False) -> str | None:
        known = self._login.token
        if self._login.is_needed and (known is None or not any_token):
            async with Tasks() as tasks:
                seeing = tasks.create_task(self._watch_server())
                known = await self._login.renew(self.server, self._authenticate)
                seeing.cancel()
        return known

    async def _authenticate(self, password: str) -> str:
        """Return a token; empty if authentication is disabled."""
        async with self._channel() as channel:
            await self._check_server(channel)
            answer = await self._exchange(channel, password)
        return str(answer.get("token", ""))

    async def _exchange(self, channel: GatewayConnection, password: str) -> Message:
        identity = {"name": self._options.user, "password": password}
        try:
            return await channel.post(
                AUTHENTICATE, identity, WITH_LEADER, LOGIN_TIMEOUT, "no response to the login"
            )
        except EtcdRefused as refusal:
            if refusal.code != AUTHENTICATION_IS_OFF:
                raise
            return {}

    async def _watch_server(self) -> None:
        """Detect, on another connection, a server that freezes while the login is pending.

        Then only the waiting is aborted, and the login continues: repeated logins would cost a busy server
        more time, and if all agents repeat them, none can log in.

        Raises:
            Unreachable: no response, or no leader.
        """
        async with self._channel() as channel:
            while True:
                await asyncio.sleep(self._server_check_timeout)
                await self._check_server(channel)

    async def _check_server(self, channel: GatewayConnection) -> None:
        """Send a cheap request, to detect a frozen server or one without quorum before a long login.

        Raises:
            Unreachable: no response, or no leader.
        """
        with suppress(EtcdRefused):  # this is a response as well
            await channel.post(STATUS, {}, WITH_LEADER, self._server_check_timeout)

    @property
    def _server_check_timeout(self) -> float:
        least, most = SERVER_CHECK_TIMEOUT
        return min(most, max(least, self.timeout))

    async def _ask_with(self, token: str | None, path: str, request: Message, any_token: bool) -> Message:
        channel, turn = self._connections[any_token]
        async with turn:
            return await channel.post(path, request, _headers(token), self.timeout)

    def _channel(self) -> GatewayConnection:
        return GatewayConnection(self.server, self._tls, self._options.tls)


def _tls_context(options: EtcdOptions) -> ssl.SSLContext | None:
    try:
        return options.tls_context()
    except OSError as error:
        raise Unreachable(f"cannot load ca, certfile or keyfile: {error}") from error


def _headers(token: str | None) -> dict[str, str]:
    return {**WITH_LEADER, "Authorization": token} if token else WITH_LEADER


@asynccontextmanager
async def deadline(within: float) -> AsyncIterator[None]:
    """Abort the block after a timeout in seconds.

    Raises:
        ResponseTimeout: the timeout has expired.
    """
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError:
        raise ResponseTimeout(f"no response within {within:.2g} s") from None
