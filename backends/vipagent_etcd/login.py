"""The token for all servers and connections, and at most one pending login per server.

A login costs etcd 0.07 s of CPU (bcrypt), and after a restart without its tokens all agents log in together.
So a login has a separate timeout that is long enough for a queue of logins; it continues if its caller is
cancelled; and the token is kept until a server rejects it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from vipagent.net.backoff import delay
from vipagent.net.endpoint import Endpoint
from vipagent_etcd.errors import EtcdRefused
from vipagent_etcd.options import EtcdOptions

LOGIN_TIMEOUT = 60.0
"""Timeout of a login in seconds: hundreds of logins may be queued at one server."""
LOGIN_RETRY_DELAYS = (1.0, 30.0)
"""Initial and maximum delay in seconds before a rejected password is retried: a failed login costs the server
as much as a successful one."""

Authenticate = Callable[[str], Awaitable[str]]
"""Exchanges the password for a token; empty if authentication is disabled."""


class Login:
    """The token of the configured user, on the backend's loop."""

    def __init__(self, options: EtcdOptions) -> None:
        self._options = options
        self._valid = False
        self._running: dict[Endpoint, asyncio.Task[str]] = {}
        self._refusal: EtcdRefused | None = None
        self._refused_password = ""
        self._refusals = 0
        self._retry_at = 0.0
        self.token: str | None = None
        """The last token, valid or not; None: no token."""

    @property
    def is_needed(self) -> bool:
        """Whether a user is set, and there is no valid token."""
        return bool(self._options.user) and not self._valid

    def invalidate(self, token: str | None) -> bool:
        """Mark a rejected token as invalid; return whether a retry with another one is useful."""
        if token == self.token:
            self._valid = False
        return bool(self._options.user)

    async def renew(self, server: Endpoint, authenticate: Authenticate) -> str:
        """Return a valid token: wait for the pending login at this server, or start one.

        The cancellation of a caller does not end the login; the next caller waits for the same one.
        Logins at several servers can be pending; the first token is used for all servers.

        Raises:
            DriverError: the login failed.
            StoreConfigError: the password is missing.
        """
        while self.token is None or not self._valid:
            pending = self._pending_or_new(server, authenticate)
            await asyncio.wait(set(self._running.values()), return_when=asyncio.FIRST_COMPLETED)
            if (
                not self._valid
                and pending.done()
                and not pending.cancelled()
                and (failure := pending.exception())
            ):
                raise failure
        return self.token

    def _pending_or_new(self, server: Endpoint, authenticate: Authenticate) -> asyncio.Task[str]:
        """Return the pending login at this server, or start one; logins at other servers continue."""
        if (running := self._running.get(server)) is not None:
            return running
        password = self._options.password
        self._raise_if_refused(password)
        login = asyncio.create_task(self._log_in(server, password, authenticate))
        self._running[server] = login
        login.add_done_callback(lambda _: self._ended(server, login))
        return login

    async def _log_in(self, server: Endpoint, password: str, authenticate: Authenticate) -> str:
        try:
            self.token = await authenticate(password)
        except EtcdRefused as refusal:
            self._record_refusal(refusal, password)
            raise
        self._valid, self._refusals, self._refusal = True, 0, None
        for other, login in self._running.items():
            if other != server:
                login.cancel()  # not needed any more: all callers use this token
        return self.token

    def _ended(self, server: Endpoint, login: asyncio.Task[str]) -> None:
        if self._running.get(server) is login:
            del self._running[server]
        if not login.cancelled():
            login.exception()  # it may not be awaited

    def _record_refusal(self, refusal: EtcdRefused, password: str) -> None:
        if refusal.wrong_password:
            self._refusals += 1
            self._refusal, self._refused_password = refusal, password
            self._retry_at = time.monotonic() + delay(self._refusals, *LOGIN_RETRY_DELAYS)

    def _raise_if_refused(self, password: str) -> None:
        """Raise the last error without a request, unless the password has changed or a retry is due."""
        if (
            self._refusal is not None
            and password == self._refused_password
            and time.monotonic() < self._retry_at
        ):
            raise EtcdRefused(self._refusal.message, self._refusal.code)
