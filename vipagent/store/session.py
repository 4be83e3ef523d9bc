"""The state of one session with a store: connected or not, and which server to try when. Without I/O.

A session is CONNECTED while a server serves it, UNSURE after a failure, and LOST when its timeout has passed
without a confirmed keep-alive. The timeout is measured by the agent's clock, from when the last confirmed
keep-alive was sent, so the agent never considers a session lost later than the store does.
"""

import math
import random
from collections.abc import Iterator, Sequence

from vipagent.net import backoff
from vipagent.store.driver import Driver, SessionInfo
from vipagent.types import StoreState

REQUEST_TIMEOUT = 2.0
"""Maximum timeout of a request, in seconds."""
FAILOVER_FRACTION = 7 / 12
"""Fraction of the session timeout, since the last confirmed keep-alive, after which a server that does not
respond is abandoned. The rest is left for another server."""


def request_timeout(session_timeout: float, keep_alives: int = Driver.keep_alives_per_session) -> float:
    """Return the timeout of one request, in seconds.

    Args:
        session_timeout: in seconds.
        keep_alives: number of keep-alives per session timeout.
    """
    return min(REQUEST_TIMEOUT, session_timeout * (FAILOVER_FRACTION - 1 / keep_alives))


class Session:
    """One session, and the sessions that replace it when it is lost. Times are in monotonic seconds.

    Args:
        servers: the servers to try, in this order.
        timeout: the requested session timeout in seconds; the store confirms the actual one.
        first: index in `servers` of the first server to try.
        keep_alives: number of keep-alives per session timeout.
        uniform: draws the jitter of delays.
    """

    def __init__(
        self,
        servers: Sequence[str],
        timeout: float,
        first: int = 0,
        keep_alives: int = Driver.keep_alives_per_session,
        uniform: backoff.Uniform = random.uniform,
    ) -> None:
        self.timeout = timeout
        """Session timeout in seconds, as confirmed by the store."""
        self.expires = -math.inf
        """Time when the session is lost unless another keep-alive is confirmed."""
        self.next_keep_alive = -math.inf
        """Time to send the next keep-alive."""
        self.next_attempt = -math.inf
        """Time to connect to `server`."""
        self.is_connected = False
        self._servers = tuple(servers)
        self._index = first
        self._keep_alives = keep_alives
        self._uniform = uniform
        self._failures = 0
        self._errors: dict[str, str] = {}
        self._refused: set[str] = set()
        self._detail = ""
        self._last_event: tuple[StoreState, str] | None = None
        self._events: list[tuple[StoreState, str]] = []

    @property
    def server(self) -> str:
        """The current server, or the next one to try."""
        return self._servers[self._index % len(self._servers)]

    @property
    def request_timeout(self) -> float:
        """Timeout of one request, in seconds."""
        return request_timeout(self.timeout, self._keep_alives)

    @property
    def errors(self) -> str:
        """The last error of each server, as text for operators."""
        errors = sorted(self._errors.items())
        return "; ".join(f"{server}: {error}" if server else error for server, error in errors)

    @property
    def is_refused_by_all(self) -> bool:
        """Whether every server has refused the session, so that waiting does not help."""
        return self._refused.issuperset(self._servers)

    def confirmed(self, sent: float, info: SessionInfo) -> None:
        """Handle a confirmed keep-alive.

        Args:
            sent: time when the keep-alive was sent.
            info: the store's response.
        """
        if self.is_connected:
            self._failures = 0
        self.timeout, self._detail = info.timeout, info.detail
        self.expires = sent + info.timeout
        self.next_keep_alive = sent + info.timeout / self._keep_alives

    def connected(self) -> None:
        """Switch to CONNECTED, after the first listing."""
        if not self.is_connected:
            self.is_connected = True
            self._errors.clear()
            self._refused.clear()
            self._emit(StoreState.CONNECTED, self._detail)

    def failed(self, now: float, error: str, *, refused: bool = False) -> None:
        """Handle a failed connection or attempt: schedule the next server, after a delay."""
        self._errors[self.server] = error
        (self._refused.add if refused else self._refused.discard)(self.server)
        self.is_connected = False
        self._index += 1
        self._failures += 1
        self.next_attempt = now + backoff.delay(self._failures, uniform=self._uniform)
        self._emit_failure(now)

    def ended(self, now: float, error: str) -> None:
        """Switch to LOST: the store ended the session."""
        self.expires = -math.inf
        self.failed(now, error)

    def check_expiry(self, now: float) -> None:
        """Switch to LOST if the session timeout has passed."""
        if not self.is_connected and now >= self.expires and self._last_event is not None:
            self._emit_failure(now)

    def events(self) -> Iterator[tuple[StoreState, str]]:
        """Yield new states and their details, in order."""
        while self._events:
            yield self._events.pop(0)

    def _emit_failure(self, now: float) -> None:
        self._emit(StoreState.UNSURE if now < self.expires else StoreState.LOST, self.errors)

    def _emit(self, state: StoreState, detail: str) -> None:
        if (state, detail) != self._last_event:
            self._last_event = (state, detail)
            self._events.append((state, detail))
