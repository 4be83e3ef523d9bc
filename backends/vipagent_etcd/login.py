"""Our identity with etcd: one token for all servers and connections, and one login at a time at each server.

A login costs etcd 0.07 s of CPU (bcrypt), and all agents need one at once when a restart has lost its tokens.
So a login has a deadline of its own, long enough for a queue of them; it goes on when whoever asked for it
has given up; and the token is kept until a server says that it is invalid.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from vipagent.net.backoff import delay
from vipagent.net.endpoint import Endpoint
from vipagent_etcd.errors import Refused
from vipagent_etcd.options import EtcdOptions

LOGIN_TIMEOUT = 60.0
"""Seconds for a login: hundreds of agents' logins may be waiting for their turn at one server."""
RETRY_DELAY = (1.0, 30.0)
"""Seconds, at first and at most, before a password that was refused is tried again: it costs the server as
much as a good one."""

Authenticate = Callable[[str], Awaitable[str]]
"""Exchanges the password for a token; an empty one from a server that demands none."""


class Login:
    """The token of the configured user. Lives on the backend's loop."""

    def __init__(self, options: EtcdOptions) -> None:
        self._options = options
        self._valid = False
        self._running: dict[Endpoint, asyncio.Task[str]] = {}
        self._refusal: Refused | None = None
        self._refused_password = ""
        self._refusals = 0
        self._retry_at = 0.0
        self.token: str | None = None
        """The last token, invalid or not; None: there is none."""

    @property
    def is_needed(self) -> bool:
        """Whether there is a user, and no token of which nothing bad is known."""
        return bool(self._options.user) and not self._valid

    def invalidate(self, token: str | None) -> bool:
        """Note that a server refuses a token; return whether another one might help."""
        if token == self.token:
            self._valid = False
        return bool(self._options.user)

    async def renew(self, server: Endpoint, authenticate: Authenticate) -> str:
        """Return a valid token: wait for the login that is in flight at this server, or begin one.

        Whoever gives up waiting does not end the login: the next to ask for it waits for the same one.
        Nor does whoever asks another server: the first token that any of them gives is everybody's.

        Raises:
            DriverError: the login failed.
            StoreConfigError: the password is missing.
        """
        while self.token is None or not self._valid:
            own = self._begun(server, authenticate)
            await asyncio.wait(set(self._running.values()), return_when=asyncio.FIRST_COMPLETED)
            if not self._valid and own.done() and not own.cancelled() and (failure := own.exception()):
                raise failure
        return self.token

    def _begun(self, server: Endpoint, authenticate: Authenticate) -> asyncio.Task[str]:
        """Return the login at this server; those at others, which somebody may wait for, go on."""
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
        except Refused as refusal:
            self._note_refusal(refusal, password)
            raise
        self._valid, self._refusals, self._refusal = True, 0, None
        for other, login in self._running.items():
            if other != server:
                login.cancel()  # nobody needs it any more: all who wait have this token
        return self.token

    def _ended(self, server: Endpoint, login: asyncio.Task[str]) -> None:
        if self._running.get(server) is login:
            del self._running[server]
        if not login.cancelled():
            login.exception()  # there may be nobody left who waits for it

    def _note_refusal(self, refusal: Refused, password: str) -> None:
        if refusal.wrong_password:
            self._refusals += 1
            self._refusal, self._refused_password = refusal, password
            self._retry_at = time.monotonic() + delay(self._refusals, *RETRY_DELAY)

    def _raise_if_refused(self, password: str) -> None:
        """Repeat the last refusal without asking, unless the password has changed, or it is time to retry."""
        if (
            self._refusal is not None
            and password == self._refused_password
            and time.monotonic() < self._retry_at
        ):
            raise Refused(self._refusal.message, self._refusal.code)
