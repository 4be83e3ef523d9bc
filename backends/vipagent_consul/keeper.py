"""The thread that keeps the session, and fulfils the wishes for entries in it."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from vipagent.store.backend import StoreError
from vipagent_consul.backoff import MAX_DELAY, delay
from vipagent_consul.client import Client, Link, SessionGone
from vipagent_consul.hosts import Hosts
from vipagent_consul.http import Denied, in_words
from vipagent_consul.registrations import Registrations
from vipagent_consul.session import SessionKind
from vipagent_consul.state import SESSION, SessionState

REGISTRATIONS = "registrations"
"""Who doubts when an entry may not be written."""
MAX_CALL = 2.0
"""Seconds that a call may take at most."""


class Keeper:
    """Connects, keeps the session alive at a third of its life, and changes the host when that fails."""

    def __init__(
        self, kind: SessionKind, hosts: Hosts, state: SessionState, registrations: Registrations
    ) -> None:
        self._kind = kind
        self._hosts = hosts
        self._state = state
        self._registrations = registrations
        self._timeout = min(MAX_CALL, kind.life / 3)
        self._work = threading.Event()
        self._closing = threading.Event()
        self._client: Client | None = None
        self._link: Link | None = None  # of the present session
        self._session = ""
        self._past: list[str] = []  # sessions that are still to be ended
        self._due = 0.0
        self._barred = 0.0
        self._failures = 0  # since Consul has confirmed a session that was there already
        self._thread = threading.Thread(target=self._run, name="vipagent-consul-session", daemon=True)

    def start(self) -> None:
        """Start to connect."""
        self._thread.start()

    def poke(self) -> None:
        """There is something to do."""
        self._work.set()

    def verify(self) -> None:
        """Somebody else's connection fails: look at the session now."""
        self._due = 0.0
        self._work.set()

    def close(self, deadline: float) -> None:
        """End the thread and the session, by monotonic `deadline`."""
        self._closing.set()
        self.poke()
        if not self._thread.is_alive():
            return
        if (client := self._client) is not None:
            client.cut()
        self._thread.join(max(0.0, deadline - time.monotonic()) / 2)
        for session in filter(None, [self._session, *self._past]):
            self._at_last(partial(Client.destroy_session, session=session), deadline)
        self._at_last(self._kind.tidy, deadline)

    def _at_last(self, call: Callable[[Client], None], deadline: float) -> None:
        """Make a call through whichever host answers in time."""
        for _ in range(len(self._hosts)):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            with suppress(StoreError), self._hosts.link().client(left * 0.8) as client:
                call(client)
                return
            self._hosts.advance()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                link = self._hosts.link()
                with link.client(self._timeout) as self._client:
                    self._serve(self._client, link)
            except Exception as error:  # noqa: BLE001  whatever an answer does to us, it is tried again
                if not self._closing.is_set():
                    self._state.doubt(SESSION, in_words(error))
                    self._hosts.advance()
                    self._failures += 1
                    self._closing.wait(delay(self._failures - len(self._hosts)))

    def _serve(self, client: Client, link: Link) -> None:
        """Keep a session on this connection until it fails."""
        while not self._closing.is_set():
            try:
                self._take_up(client, link)
                while not self._closing.is_set():
                    self._turn(client, link)
            except SessionGone as error:
                self._state.end(str(error))
                self._retire()
                self._failures += 1
                self._closing.wait(delay(self._failures - 1))

    def _retire(self) -> None:
        """Have the present session ended, as soon as its entries are the next one's."""
        self._past.append(self._session)
        self._session = ""

    def _take_up(self, client: Client, link: Link) -> None:
        """Go on with the session if it is of this Consul agent, else make one."""
        if self._session and self._link is not None and self._link.endpoint != link.endpoint:
            self._retire()  # its check lies with an agent that is out of reach
        self._link = link
        if self._session:
            self._keep(client, link)
            return
        began = time.monotonic()
        self._session = self._kind.create(client)
        self._registrations.begin(self._session)
        self._confirm(began, link)

    def _turn(self, client: Client, link: Link) -> None:
        """Do what is most urgent, or wait for it."""
        now = time.monotonic()
        if now >= self._due:
            self._keep(client, link)
        elif self._registrations.pending and now >= self._barred:
            self._fulfil(client)
        elif self._past and not self._registrations.pending:  # by now its entries are the new session's
            client.destroy_session(self._past[0])
            del self._past[0]
        else:
            next_turn = min(self._due, self._barred) if self._registrations.pending else self._due
            self._wait(next_turn - now)

    def _keep(self, client: Client, link: Link) -> None:
        began = time.monotonic()
        self._kind.keep(client, self._session)
        self._failures = 0
        self._confirm(began, link)

    def _confirm(self, began: float, link: Link) -> None:
        self._due = began + self._kind.life / 3
        self._state.confirm(began, link, f"{link.endpoint}: {self._kind.describe()}")

    def _fulfil(self, client: Client) -> None:
        try:
            self._registrations.fulfil_next(client, self._session)
        except Denied as error:
            self._state.doubt(REGISTRATIONS, str(error))
            self._barred = time.monotonic() + MAX_DELAY
        else:
            if not self._registrations.pending:
                self._state.settle(REGISTRATIONS)

    def _wait(self, seconds: float) -> None:
        self._work.wait(max(0.0, seconds))
        self._work.clear()
