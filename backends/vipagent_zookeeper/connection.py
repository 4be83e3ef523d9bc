"""The connection to ZooKeeper: sequence of sessions, their end, and the errors of the hosts."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Never

from vipagent.store.backend import StoreConfigError
from vipagent.store.driver import Disconnected, Refused, SessionEnded
from vipagent_zookeeper.session import CONNECTION_CLOSED, EXPIRED, KazooSession

HANDSHAKE_TIMEOUT = (1.0, 3.0)
"""Lower and upper bound of the handshake timeout in seconds; between them, a third of the session timeout."""
ERROR_SETTLE_TIME = 0.2
"""Delay in seconds before errors are reported: the most specific error arrives last."""
MAX_OLD_SESSIONS = 100
"""Number of previous sessions whose entries are recognized as our own."""

MakeSession = Callable[["ZooKeeperConnection"], KazooSession]


class ZooKeeperConnection:
    """One session and its successors. kazoo reconnects by itself, and is discarded with its session.

    Args:
        make_session: creates a new session; raises `StoreConfigError`.
    """

    def __init__(self, make_session: MakeSession) -> None:
        self.numbers: deque[int] = deque(maxlen=MAX_OLD_SESSIONS)
        """The IDs of our sessions, the current one last."""
        self._make_session = make_session
        self._session: KazooSession | None = None
        self._is_up = False
        self._is_unused = False
        """Whether the session was established before the next `open`: kazoo may be faster."""
        self._down_since = 0.0
        self._causes: dict[str, str] = {}
        """Errors since the last reply, by host."""
        self._closing: list[threading.Thread] = []
        self._connected: asyncio.Future[None] | None = None
        self._connection_lost: asyncio.Future[Never] | None = None
        self._handshake_timer: asyncio.TimerHandle | None = None
        self._error_timer: asyncio.TimerHandle | None = None

    @property
    def session(self) -> KazooSession:
        """The current session.

        Raises:
            Disconnected: there is none.
        """
        if self._session is None:
            raise Disconnected(self.error_text or "no session")
        return self._session

    @property
    def error_text(self) -> str:
        """The errors of all hosts, for operators."""
        return "; ".join(f"{peer}: {cause}" for peer, cause in sorted(self._causes.items()))

    async def open(self) -> None:
        """Wait for a connection of the current session, or of a new one if it has ended.

        Raises:
            Disconnected: the attempt failed; kazoo keeps retrying.
            SessionEnded: the server has ended the session.
            StoreConfigError: a secret is missing.
        """
        if self._is_up and self._is_unused:
            self._is_unused = False
            return
        loop = asyncio.get_running_loop()
        self._connected = loop.create_future()
        if (
            self._session is not None
            and not self._is_up
            and loop.time() - self._down_since > self._session.timeout
        ):
            self._abandon()  # a server that has lost its data rejects old sessions
        if self._session is None:
            self._down_since = loop.time()
            self._session = self._make_session(self)
            self._session.start()
        elif self._is_up:
            self.on_disconnect()
            self._session.reset_connection("no response in time")
        await self._connected

    async def broken(self) -> Never:
        """Wait until the connection is lost.

        Raises:
            Disconnected: it was lost.
            SessionEnded: the session has ended as well.
        """
        if self._connection_lost is None:
            raise Disconnected(self.error_text or "not connected")
        await asyncio.shield(self._connection_lost)

    def on_reply(self) -> None:
        """Clear the errors, because the server has replied."""
        self._causes.clear()

    def abandon_refused(self, cause: str) -> Refused:
        """Abandon the session after a rejected login; return the error to raise."""
        if self._session is not None:
            self._causes[self._session.peer] = cause
        self._abandon()
        return Refused(self.error_text)

    def renew_login(self) -> None:
        """Log in again if the password has changed."""
        with suppress(Disconnected, StoreConfigError):
            self.session.renew_login()

    async def close(self) -> None:
        """End the session and all its threads; if cancelled, without the server."""
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
        session, self._session = self._session, None
        threads = list(self._closing)
        if session is not None:
            if not self._is_up:
                session.abort()
            threads.append(session.abandon(abort=False))
        try:
            while any(thread.is_alive() for thread in threads):  # noqa: ASYNC110  threads have no exit event
                await asyncio.sleep(0.005)
        finally:
            if session is not None:
                session.abort()

    # Callbacks of kazoo.

    def on_connect(self) -> None:
        """Start the handshake timer: a connection is established."""
        self._cancel_handshake_timer()
        shortest, longest = HANDSHAKE_TIMEOUT
        timeout = max(shortest, min(self.session.timeout / 3, longest))
        reason = f"no response within {timeout:.2g} s"
        self._handshake_timer = asyncio.get_running_loop().call_later(
            timeout, self.session.reset_connection, reason
        )

    def on_error(self, peer: str, cause: str) -> None:
        """Record an error, and wait for a more specific one."""
        self._cancel_handshake_timer()
        if cause != CONNECTION_CLOSED or peer not in self._causes:  # keep a more specific cause
            self._causes[peer] = cause
        if self._error_timer is None:
            self._error_timer = asyncio.get_running_loop().call_later(ERROR_SETTLE_TIME, self._failed)

    def on_session(self, number: int) -> None:
        """Continue with this session, which is new or resumed after a disconnection."""
        self._cancel_handshake_timer()
        if number not in self.numbers:
            self.numbers.append(number)
        self._is_up = True
        self._is_unused = self._connected is None or self._connected.done()
        self._connection_lost = asyncio.get_running_loop().create_future()
        self._connection_lost.add_done_callback(lambda done: done.exception())  # it may not be awaited
        if self._connected is not None and not self._connected.done():
            self._connected.set_result(None)

    def on_disconnect(self) -> None:
        """Report the lost connection; kazoo reconnects."""
        self._is_up = False
        self._down_since = time.monotonic()
        self._break(Disconnected(self.error_text or "the connection was lost"))

    def on_session_end(self, cause: str) -> None:
        """Report the end of the session.

        Args:
            cause: the cause; empty if `on_error` reported it.
        """
        if cause:
            self._causes[self.session.peer] = cause
        self._abandon()
        ended = SessionEnded if cause == EXPIRED else Disconnected
        self._break(ended(self.error_text))
        self._fail(ended(self.error_text))

    def _failed(self) -> None:
        self._error_timer = None
        if not self._is_up:
            self._fail(Disconnected(self.error_text))

    def _fail(self, error: Exception) -> None:
        if self._connected is not None and not self._connected.done():
            self._connected.set_exception(error)

    def _break(self, error: Exception) -> None:
        if self._connection_lost is not None and not self._connection_lost.done():
            self._connection_lost.set_exception(error)

    def _abandon(self) -> None:
        """Abandon the session, without the server."""
        self._cancel_handshake_timer()
        self._is_up = False
        self._closing = [thread for thread in self._closing if thread.is_alive()]
        if self._session is not None:
            self._closing.append(self._session.abandon())
            self._session = None

    def _cancel_handshake_timer(self) -> None:
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
            self._handshake_timer = None
