"""The thread that keeps the session, and fulfils the wishes for entries in it."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from vipagent.net.backoff import delay
from vipagent.net.endpoint import Endpoint
from vipagent.store.backend import StoreError
from vipagent_consul.client import Client, Link, SessionGone
from vipagent_consul.hosts import Hosts
from vipagent_consul.http import in_words
from vipagent_consul.registrations import Contested, Registrations
from vipagent_consul.session import SessionKind
from vipagent_consul.state import SESSION, SessionState

REGISTRATIONS = "registrations"
"""Who doubts when an entry cannot be written."""
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
        self._called = threading.Event()
        self._closing = threading.Event()
        self._client: Client | None = None
        self._session = ""
        self._home: Endpoint | None = None  # the Consul agent of the present session
        self._past: list[str] = []  # sessions that are still to be ended
        self._heard = False  # the Consul agent has taken the sign of life, whatever its servers say
        self._detail = ""
        self._deadline = 0.0  # of the end
        self._due = 0.0
        self._barred = 0.0
        self._refusals = 0  # of work for the wishes, in a row
        self._failures = 0  # sessions that ended, since Consul has confirmed one that was there already
        self._thread = threading.Thread(target=self._run, name="vipagent-consul-session", daemon=True)

    def start(self) -> None:
        """Start to connect."""
        self._thread.start()

    def poke(self) -> None:
        """There is something to do."""
        self._called.set()

    def verify(self) -> None:
        """Somebody else's connection fails: look at the session now."""
        self._due = 0.0
        self._called.set()

    def close(self, deadline: float) -> None:
        """End the session, then the thread, by monotonic `deadline`."""
        self._deadline = deadline
        self._closing.set()
        self.poke()
        if not self._thread.is_alive():
            return
        if (client := self._client) is not None:
            client.cut()
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._heard = False
                link = self._hosts.link()
                with link.client(self._timeout) as self._client:
                    self._serve(self._client, link)
            except Exception as error:  # noqa: BLE001  whatever an answer does to us, it is tried again
                if not self._closing.is_set():
                    self._state.doubt(SESSION, in_words(error))
                    wait = self._hosts.leaderless() if self._heard else self._hosts.silent()
                    self._closing.wait(wait)
        for session in filter(None, [self._session, *self._past]):
            self._at_last(partial(Client.destroy_session, session=session))
        self._at_last(self._kind.tidy)

    def _at_last(self, call: Callable[[Client], None]) -> None:
        """Make a call through whichever host answers in time."""
        for _ in range(len(self._hosts)):
            left = self._deadline - time.monotonic()
            with suppress(StoreError), self._hosts.link().client(left / 2, self._deadline) as client:
                call(client)
                return
            self._hosts.failed()

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
        if self._session and self._home == link.endpoint:
            self._keep(client, link)
            return
        began = time.monotonic()
        session = self._kind.create(client)
        if self._session:
            self._retire()  # its check lies with a Consul agent that is out of reach
        self._session, self._home = session, link.endpoint
        self._registrations.begin(session)
        self._detail = f"{link.endpoint}: Consul {client.version()}"
        self._confirm(began, link)

    def _turn(self, client: Client, link: Link) -> None:
        """Do what is most urgent, or wait for it."""
        now = time.monotonic()
        work = self._registrations.pending or self._past
        if now >= self._due:
            self._keep(client, link)
        elif work and now >= self._barred:
            self._work_off(client)
        else:
            self._wait((min(self._due, self._barred) if work else self._due) - now)

    def _keep(self, client: Client, link: Link) -> None:
        began = time.monotonic()
        self._heard = False
        self._heard = self._kind.give_sign(client)
        client.renew_session(self._session)
        self._failures = 0
        self._hosts.succeeded()
        self._confirm(began, link)

    def _confirm(self, began: float, link: Link) -> None:
        self._due = began + self._kind.life / 3
        self._state.confirm(began, link, f"{self._detail}; {self._kind.describe()}")

    def _work_off(self, client: Client) -> None:
        """Make a wish true, or end a past session once all wishes are; see to the session if that fails."""
        try:
            if self._registrations.pending:
                self._registrations.fulfil_next(client, self._session)
            else:
                client.destroy_session(self._past[0])
                del self._past[0]
        except Contested:
            self._state.settle(REGISTRATIONS)
            self._refusals += 1
            self._barred = time.monotonic() + delay(self._refusals)
        except StoreError as error:
            self._state.doubt(REGISTRATIONS, str(error))
            self._refusals += 1
            self._barred = time.monotonic() + delay(self._refusals - 1)
            self._due = 0.0
        else:
            self._refusals = 0
            if not self._registrations.pending:
                self._state.settle(REGISTRATIONS)

    def _wait(self, seconds: float) -> None:
        self._called.wait(max(0.0, seconds))
        self._called.clear()
