"""The session's state, by a clock of our own, over any number of lost sessions."""

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from kazoo.exceptions import KazooException, NoAuthError

from vipagent.core.words import StoreState
from vipagent.store.backend import StoreConfigError
from vipagent_zookeeper.kazoolog import CLOSED
from vipagent_zookeeper.link import Disconnected, Link, LinkEvents
from vipagent_zookeeper.refusals import explain

BEATS = 4
"""Signs of life asked for during a session's life: more often than kazoo's pings, which are then not sent."""
PATIENCE = (1.0, 3.0)
"""Seconds, at least and at most, for a server to answer; in between, a third of the session's life."""
PAUSE = (0.1, 1.0)
"""Seconds, at first and at most, before a new session is asked for after a lost or refused one."""
DIGEST = 0.2
"""Seconds in which failures are gathered before they are told: what a refusal is called comes last."""
REMEMBERED = 100
"""Sessions whose entries are known as ours."""

Tell = Callable[[StoreState, str], None]


class Session(LinkEvents):
    """Keeps one session, and makes a new one when it is lost. Lives on the backend's loop.

    kazoo reports a loss only once it is connected again, and may never notice a server that takes requests
    and does not answer. So each beat is a request, an answer is a sign of life, and without one for the
    session's life it is LOST.
    """

    def __init__(self, make_link: Callable[["Session"], Link], tell: Tell) -> None:
        self.ready = asyncio.Event()
        """Set while CONNECTED."""
        self.numbers: deque[int] = deque(maxlen=REMEMBERED)
        """The numbers of our sessions, the present one last."""
        self.causes: dict[str, str] = {}
        """What went wrong since the last sign of life, by host."""
        self._make_link = make_link
        self._tell = tell
        self._state: StoreState | None = None
        self._told = ""
        self._link: Link | None = None
        self._dying: list[threading.Thread] = []
        self._beats: asyncio.Task[None] | None = None
        self._guard: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._news: asyncio.TimerHandle | None = None
        self._pause = PAUSE[0]

    @property
    def link(self) -> Link:
        """The present session's link.

        Raises:
            Disconnected: there is none just now.
        """
        if self._link is None:
            raise Disconnected("no session")
        return self._link

    @property
    def trouble(self) -> str:
        """What keeps us from the store, for people."""
        return "; ".join(f"{peer}: {cause}" for peer, cause in sorted(self.causes.items()))

    @property
    def peer(self) -> str:
        """`HOST:PORT` of the present connection; empty without one."""
        return self._link.peer if self._link is not None else ""

    def open(self) -> None:
        """Start to connect."""
        self._dying = [thread for thread in self._dying if thread.is_alive()]
        try:
            self._link = self._make_link(self)
        except StoreConfigError as error:
            self.causes["login"] = str(error)
            self._lose(str(error))
        else:
            self._link.start()

    def dialled(self) -> None:
        """Give the server its time to answer."""
        self._watch_for_silence()

    def blamed(self, peer: str, cause: str) -> None:
        """Note a failure; before the first session, and after a lost one, it is news."""
        self._cancel_guard()
        if cause != CLOSED or peer not in self.causes:  # which hides no better cause
            self.causes[peer] = cause
        if self._news is None:
            self._news = asyncio.get_running_loop().call_later(DIGEST, self._tell_news)

    def up(self, number: int) -> None:
        """Ask for a sign of life: until it comes, nothing is settled (the login may still fail)."""
        if number not in self.numbers:
            self.numbers.append(number)
        self._stop_beats()
        self._beats = asyncio.create_task(self._beat(self.link))

    def down(self) -> None:
        """Be unsure, until kazoo is back or our clock says LOST."""
        self._stop_beats()
        if self._state == StoreState.CONNECTED:
            self._become(StoreState.UNSURE, self.trouble)

    def over(self, cause: str) -> None:
        """Make a new session."""
        if cause:
            self.causes[self.link.peer] = cause
        self._lose(self.trouble)

    def renew_login(self) -> None:
        """Take notice of a password that has changed."""
        with suppress(Disconnected, StoreConfigError):
            self.link.renew_login()

    def cut(self) -> None:
        """Part from the server without waiting for it. From any thread."""
        if (link := self._link) is not None:
            link.cut()

    def close(self, deadline: float) -> None:
        """End the session and all its threads: after the loop, in its thread. Waits for the server, or `cut`.

        Args:
            deadline: monotonic seconds, for what was abandoned earlier.
        """
        if self._link is not None:
            if not self.ready.is_set():
                self._link.cut()
            self._link.stop()
        for thread in self._dying:
            thread.join(max(0.0, deadline - time.monotonic()))

    async def _beat(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time()
            self._watch_for_silence()
            try:
                await link.answer(link.client.exists_async("/"))
            except Disconnected:
                return
            except NoAuthError:
                pass  # an answer all the same
            except KazooException as refusal:
                self.causes[link.peer] = explain(refusal)
                self._lose(self.trouble)
                return
            self._alive(link, asked)
            await asyncio.sleep(asked + link.life / BEATS - loop.time())

    def _alive(self, link: Link, asked: float) -> None:
        """Count the session's life from when we asked: the server's clock started no earlier."""
        self._cancel_guard()
        self.causes.clear()
        self._pause = PAUSE[0]
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_at(asked + link.life, self._expired, link.life)
        if self._state != StoreState.CONNECTED:
            self.ready.set()
            self._become(StoreState.CONNECTED, f"{link.peer}, session life {link.life:g} s")

    def _expired(self, life: float) -> None:
        self._lose(f"no sign of life for {life:g} s; {self.trouble or self.link.peer}")

    def _lose(self, detail: str) -> None:
        """Give this session up for good, and ask for another one."""
        self._stop_beats()
        self._cancel_guard()
        if self._expiry is not None:
            self._expiry.cancel()
        self._become(StoreState.LOST, detail)
        if self._link is not None:
            self._dying.append(self._link.abandon())
            self._link = None
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311  jitter
        self._pause = min(self._pause * 2, PAUSE[1])
        asyncio.get_running_loop().call_later(pause, self.open)

    def _tell_news(self) -> None:
        self._news = None
        if self._state in {None, StoreState.LOST} and self.trouble not in self._told:
            self._become(StoreState.LOST, self.trouble)

    def _become(self, state: StoreState, detail: str) -> None:
        if state != StoreState.CONNECTED:
            self.ready.clear()
        if (state, detail) != (self._state, self._told):
            self._state, self._told = state, detail
            self._tell(state, detail)

    def _watch_for_silence(self) -> None:
        self._cancel_guard()
        link = self.link
        shortest, longest = PATIENCE
        patience = max(shortest, min(link.life / 3, longest))
        reason = f"no answer for {patience:.1f} s"
        self._guard = asyncio.get_running_loop().call_later(patience, link.hang_up, reason)

    def _cancel_guard(self) -> None:
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None

    def _stop_beats(self) -> None:
        if self._beats is not None:
            self._beats.cancel()
            self._beats = None
