"""The connection with ZooKeeper: kazoo's client, its session's end, and what it says of its troubles."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Never

from vipagent.store.backend import StoreConfigError
from vipagent.store.driver import Disconnected, Refused, SessionEnded
from vipagent_zookeeper.session import CLOSED, EXPIRED, KazooSession

HANDSHAKE_TIMEOUT = (1.0, 3.0)
"""Seconds, at least and at most, for an answer to a handshake; in between, a third of the session's life."""
ERROR_SETTLE_TIME = 0.2
"""Seconds in which failures are gathered before they are told: what a refusal is called comes last."""
MAX_OLD_SESSIONS = 100
"""Sessions whose entries are known as ours."""

MakeSession = Callable[["ZooKeeperConnection"], KazooSession]


class ZooKeeperConnection:
    """One session, and its successors: kazoo reconnects by itself, and is given up together with its session.

    Args:
        make_session: makes a client of kazoo's for a new session; raises `StoreConfigError`.
    """

    def __init__(self, make_session: MakeSession) -> None:
        self.numbers: deque[int] = deque(maxlen=MAX_OLD_SESSIONS)
        """The numbers of our sessions, the present one last."""
        self._make_session = make_session
        self._session: KazooSession | None = None
        self._is_up = False
        self._is_unused = False
        """Whether it came up while nobody waited for it: kazoo may be faster than the next `open`."""
        self._down_since = 0.0
        self._causes: dict[str, str] = {}
        """What went wrong since the last sign of life, by host."""
        self._dying: list[threading.Thread] = []
        self._opening: asyncio.Future[None] | None = None
        self._breaking: asyncio.Future[Never] | None = None
        self._handshake_timer: asyncio.TimerHandle | None = None
        self._error_timer: asyncio.TimerHandle | None = None

    @property
    def session(self) -> KazooSession:
        """The present session's client.

        Raises:
            Disconnected: there is none just now.
        """
        if self._session is None:
            raise Disconnected(self.trouble or "no session")
        return self._session

    @property
    def trouble(self) -> str:
        """What keeps us from the store, host by host, for people."""
        return "; ".join(f"{peer}: {cause}" for peer, cause in sorted(self._causes.items()))

    async def open(self) -> None:
        """Wait for a connection on the present session, or on a new one if that is over.

        Raises:
            Disconnected: it failed; kazoo goes on trying.
            SessionEnded: the server says that the session is over.
            StoreConfigError: a secret is missing.
        """
        if self._is_up and self._is_unused:
            self._is_unused = False
            return
        loop = asyncio.get_running_loop()
        self._opening = loop.create_future()
        if (
            self._session is not None
            and not self._is_up
            and loop.time() - self._down_since > self._session.life
        ):
            self._abandon()  # a server that has lost its data lets no old session in
        if self._session is None:
            self._down_since = loop.time()
            self._session = self._make_session(self)
            self._session.start()
        elif self._is_up:
            self.on_disconnect()
            self._session.reset_connection("no response in time")
        await self._opening

    async def broken(self) -> Never:
        """Wait for the connection's end.

        Raises:
            Disconnected: it has come.
            SessionEnded: and the session is over, too.
        """
        if self._breaking is None:
            raise Disconnected(self.trouble or "not connected")
        await asyncio.shield(self._breaking)

    def on_reply(self) -> None:
        """Forget what went wrong: the server has answered."""
        self._causes.clear()

    def abandon_refused(self, cause: str) -> Refused:
        """Give the session up, for the server does not let us in; return what to raise."""
        if self._session is not None:
            self._causes[self._session.peer] = cause
        self._abandon()
        return Refused(self.trouble)

    def renew_login(self) -> None:
        """Take notice of a password that has changed."""
        with suppress(Disconnected, StoreConfigError):
            self.session.renew_login()

    async def close(self) -> None:
        """End the session and all its threads; cancelled, without the server."""
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
        session, self._session = self._session, None
        threads = list(self._dying)
        if session is not None:
            if not self._is_up:
                session.abort()
            threads.append(session.abandon(abort=False))
        try:
            while any(thread.is_alive() for thread in threads):  # noqa: ASYNC110  of that no event tells
                await asyncio.sleep(0.005)
        finally:
            if session is not None:
                session.abort()

    # What kazoo tells.

    def on_connect(self) -> None:
        """Give the server its time to answer: a connection stands."""
        self._cancel_handshake_timer()
        shortest, longest = HANDSHAKE_TIMEOUT
        patience = max(shortest, min(self.session.life / 3, longest))
        reason = f"no answer within {patience:.2g} s"
        self._handshake_timer = asyncio.get_running_loop().call_later(
            patience, self.session.reset_connection, reason
        )

    def on_error(self, peer: str, cause: str) -> None:
        """Note a failure, and wait for a better name of it."""
        self._cancel_handshake_timer()
        if cause != CLOSED or peer not in self._causes:  # which hides no better cause
            self._causes[peer] = cause
        if self._error_timer is None:
            self._error_timer = asyncio.get_running_loop().call_later(ERROR_SETTLE_TIME, self._failed)

    def on_session(self, number: int) -> None:
        """Go on with this session: the server has granted it, or taken it back after a disconnection."""
        self._cancel_handshake_timer()
        if number not in self.numbers:
            self.numbers.append(number)
        self._is_up = True
        self._is_unused = self._opening is None or self._opening.done()
        self._breaking = asyncio.get_running_loop().create_future()
        self._breaking.add_done_callback(lambda done: done.exception())  # nobody may be waiting for it
        if self._opening is not None and not self._opening.done():
            self._opening.set_result(None)

    def on_disconnect(self) -> None:
        """Tell that the connection is gone; kazoo makes another."""
        self._is_up = False
        self._down_since = time.monotonic()
        self._break(Disconnected(self.trouble or "the connection is gone"))

    def on_session_end(self, cause: str) -> None:
        """Tell that the session is over, or refused: nothing more will come of its session.

        Args:
            cause: why; empty if it was on_error on a host before.
        """
        if cause:
            self._causes[self.session.peer] = cause
        self._abandon()
        ended = SessionEnded if cause == EXPIRED else Disconnected
        self._break(ended(self.trouble))
        self._fail(ended(self.trouble))

    def _failed(self) -> None:
        self._error_timer = None
        if not self._is_up:
            self._fail(Disconnected(self.trouble))

    def _fail(self, error: Exception) -> None:
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(error)

    def _break(self, error: Exception) -> None:
        if self._breaking is not None and not self._breaking.done():
            self._breaking.set_exception(error)

    def _abandon(self) -> None:
        """Give the session up, without the server."""
        self._cancel_handshake_timer()
        self._is_up = False
        self._dying = [thread for thread in self._dying if thread.is_alive()]
        if self._session is not None:
            self._dying.append(self._session.abandon())
            self._session = None

    def _cancel_handshake_timer(self) -> None:
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
            self._handshake_timer = None
