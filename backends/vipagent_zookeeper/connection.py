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
from vipagent_zookeeper.link import CLOSED, EXPIRED, Link

HANDSHAKE_TIMEOUT = (1.0, 3.0)
"""Seconds, at least and at most, for an answer to a handshake; in between, a third of the session's life."""
DIGEST = 0.2
"""Seconds in which failures are gathered before they are told: what a refusal is called comes last."""
REMEMBERED = 100
"""Sessions whose entries are known as ours."""

MakeLink = Callable[["Connection"], Link]


class Connection:
    """One session, and its successors: kazoo reconnects by itself, and is given up together with its session.

    Args:
        make_link: makes a client of kazoo's for a new session; raises `StoreConfigError`.
    """

    def __init__(self, make_link: MakeLink) -> None:
        self.numbers: deque[int] = deque(maxlen=REMEMBERED)
        """The numbers of our sessions, the present one last."""
        self._make_link = make_link
        self._link: Link | None = None
        self._is_up = False
        self._is_unused = False
        """Whether it came up while nobody waited for it: kazoo may be faster than the next `open`."""
        self._down_since = 0.0
        self._causes: dict[str, str] = {}
        """What went wrong since the last sign of life, by host."""
        self._dying: list[threading.Thread] = []
        self._opening: asyncio.Future[None] | None = None
        self._breaking: asyncio.Future[Never] | None = None
        self._guard: asyncio.TimerHandle | None = None
        self._digest: asyncio.TimerHandle | None = None

    @property
    def link(self) -> Link:
        """The present session's client.

        Raises:
            Disconnected: there is none just now.
        """
        if self._link is None:
            raise Disconnected(self.trouble or "no session")
        return self._link

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
        if self._link is not None and not self._is_up and loop.time() - self._down_since > self._link.life:
            self._abandon()  # a server that has lost its data lets no old session in
        if self._link is None:
            self._down_since = loop.time()
            self._link = self._make_link(self)
            self._link.start()
        elif self._is_up:
            self.down()
            self._link.hang_up("no answer in time")
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

    def confirmed(self) -> None:
        """Forget what went wrong: the server has answered."""
        self._causes.clear()

    def refused(self, cause: str) -> Refused:
        """Give the session up, for the server does not let us in; return what to raise."""
        if self._link is not None:
            self._causes[self._link.peer] = cause
        self._abandon()
        return Refused(self.trouble)

    def renew_login(self) -> None:
        """Take notice of a password that has changed."""
        with suppress(Disconnected, StoreConfigError):
            self.link.renew_login()

    async def close(self) -> None:
        """End the session and all its threads; cancelled, without the server."""
        if self._guard is not None:
            self._guard.cancel()
        link, self._link = self._link, None
        threads = list(self._dying)
        if link is not None:
            if not self._is_up:
                link.cut()
            threads.append(link.abandon(cut=False))
        try:
            while any(thread.is_alive() for thread in threads):  # noqa: ASYNC110  of that no event tells
                await asyncio.sleep(0.005)
        finally:
            if link is not None:
                link.cut()

    # What kazoo tells.

    def dialled(self) -> None:
        """Give the server its time to answer: a connection stands."""
        self._cancel_guard()
        shortest, longest = HANDSHAKE_TIMEOUT
        patience = max(shortest, min(self.link.life / 3, longest))
        reason = f"no answer within {patience:.2g} s"
        self._guard = asyncio.get_running_loop().call_later(patience, self.link.hang_up, reason)

    def blamed(self, peer: str, cause: str) -> None:
        """Note a failure, and wait for a better name of it."""
        self._cancel_guard()
        if cause != CLOSED or peer not in self._causes:  # which hides no better cause
            self._causes[peer] = cause
        if self._digest is None:
            self._digest = asyncio.get_running_loop().call_later(DIGEST, self._failed)

    def up(self, number: int) -> None:
        """Go on with this session: the server has granted it, or taken it back after a disconnection."""
        self._cancel_guard()
        if number not in self.numbers:
            self.numbers.append(number)
        self._is_up = True
        self._is_unused = self._opening is None or self._opening.done()
        self._breaking = asyncio.get_running_loop().create_future()
        self._breaking.add_done_callback(lambda done: done.exception())  # nobody may be waiting for it
        if self._opening is not None and not self._opening.done():
            self._opening.set_result(None)

    def down(self) -> None:
        """Tell that the connection is gone; kazoo makes another."""
        self._is_up = False
        self._down_since = time.monotonic()
        self._break(Disconnected(self.trouble or "the connection is gone"))

    def over(self, cause: str) -> None:
        """Tell that the session is over, or refused: nothing more will come of its link.

        Args:
            cause: why; empty if it was blamed on a host before.
        """
        if cause:
            self._causes[self.link.peer] = cause
        self._abandon()
        ended = SessionEnded if cause == EXPIRED else Disconnected
        self._break(ended(self.trouble))
        self._fail(ended(self.trouble))

    def _failed(self) -> None:
        self._digest = None
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
        self._cancel_guard()
        self._is_up = False
        self._dying = [thread for thread in self._dying if thread.is_alive()]
        if self._link is not None:
            self._dying.append(self._link.abandon())
            self._link = None

    def _cancel_guard(self) -> None:
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
