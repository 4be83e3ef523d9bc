"""The state of one session with a store, by a clock of our own: which server next, and when. Without I/O.

It is CONNECTED while a server serves it, UNSURE after a failure, and LOST once no sign of life was confirmed
for the session's life, counted from when the last confirmed one was *asked for*: never later than the store.
"""

import math
import random
from collections.abc import Iterator, Sequence

from vipagent.net import backoff
from vipagent.store.driver import SessionInfo, Driver
from vipagent.types import StoreState

REQUEST_TIMEOUT = 2.0
"""Seconds that a server has for an answer, at most."""
SILENCE = 7 / 12
"""Part of a session's life after which a silent server is left, from the last sign of life that it confirmed:
what remains is for another server."""


def request_timeout(life: float, keep_alives: int = Driver.keep_alives_per_session) -> float:
    """Return the seconds that a server has for one answer.

    Args:
        life: of the session, in seconds.
        keep_alives: how many there are in it.
    """
    return min(REQUEST_TIMEOUT, life * (SILENCE - 1 / keep_alives))


class Session:
    """One session, and its successors when it is lost.

    Args:
        servers: the servers to try, in turn.
        life: seconds that the session is asked to live, until the store says what it grants.
        first: where in `servers` to begin.
        keep_alives: how many there are in a session's life.
        uniform: draws the jitter of pauses.
    """

    def __init__(
        self,
        servers: Sequence[str],
        life: float,
        first: int = 0,
        keep_alives: int = Driver.keep_alives_per_session,
        uniform: backoff.Uniform = random.uniform,
    ) -> None:
        self.life = life
        """Seconds that the session lives without a sign of life."""
        self.expires = -math.inf
        """When it is over, unless another sign of life is confirmed."""
        self.next_keep_alive = -math.inf
        """When the next sign of life is to be asked for."""
        self.next_attempt = -math.inf
        """When to connect to `server`."""
        self._servers = tuple(servers)
        self._turn = first
        self._keep_alives = keep_alives
        self._uniform = uniform
        self._failures = 0
        self._causes: dict[str, str] = {}
        self._refusals: set[str] = set()
        self._detail = ""
        self.is_serving = False
        """Whether the session is CONNECTED."""
        self._told: tuple[StoreState, str] | None = None
        self._news: list[tuple[StoreState, str]] = []

    @property
    def server(self) -> str:
        """The server to use now, or to try next."""
        return self._servers[self._turn % len(self._servers)]

    @property
    def request_timeout(self) -> float:
        """Seconds that a server has for one answer."""
        return request_timeout(self.life, self._keep_alives)

    @property
    def trouble(self) -> str:
        """What keeps us from the store, server by server, for people."""
        causes = sorted(self._causes.items())
        return "; ".join(f"{server}: {cause}" if server else cause for server, cause in causes)

    @property
    def is_refused(self) -> bool:
        """Whether all servers answered that they do not let us in: waiting does not help."""
        return self._refusals.issuperset(self._servers)

    def confirmed(self, asked: float, alive: SessionInfo) -> None:
        """Take a sign of life.

        Args:
            asked: when it was asked for, in monotonic seconds.
            alive: what the store said.
        """
        if self.is_serving:
            self._failures = 0
        self.life, self._detail = alive.life, alive.detail
        self.expires = asked + alive.life
        self.next_keep_alive = asked + alive.life / self._keep_alives

    def serves(self) -> None:
        """Be CONNECTED: the store has answered all that is needed."""
        if not self.is_serving:
            self.is_serving = True
            self._causes.clear()
            self._refusals.clear()
            self._tell(StoreState.CONNECTED, self._detail)

    def failed(self, now: float, cause: str, *, refused: bool = False) -> None:
        """Try the next server, after a pause: the connection, or the attempt, failed."""
        self._causes[self.server] = cause
        (self._refusals.add if refused else self._refusals.discard)(self.server)
        self.is_serving = False
        self._turn += 1
        self._failures += 1
        self.next_attempt = now + backoff.delay(self._failures, uniform=self._uniform)
        self._tell_trouble(now)

    def ended(self, now: float, cause: str) -> None:
        """Be LOST: the store says that the session is over."""
        self.expires = -math.inf
        self.failed(now, cause)

    def check(self, now: float) -> None:
        """Notice the session's end by our own clock."""
        if not self.is_serving and now >= self.expires and self._told is not None:
            self._tell_trouble(now)

    def news(self) -> Iterator[tuple[StoreState, str]]:
        """Yield what has to be told to the agent: states and details, in order."""
        while self._news:
            yield self._news.pop(0)

    def _tell_trouble(self, now: float) -> None:
        self._tell(StoreState.UNSURE if now < self.expires else StoreState.LOST, self.trouble)

    def _tell(self, state: StoreState, detail: str) -> None:
        if (state, detail) != self._told:
            self._told = (state, detail)
            self._news.append((state, detail))
