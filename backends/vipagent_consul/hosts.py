"""The Consul agents that may be asked, in turn."""

import time

from vipagent.net.backoff import delay
from vipagent.net.endpoint import Endpoint
from vipagent.store.backend import StoreConfigError, StoreError
from vipagent_consul.client import Link
from vipagent_consul.options import ConsulOptions

ELECTION = 10.0
"""Seconds for which a Consul agent that answers for itself is not left although its servers are silent: they
elect a leader, and every other Consul agent asks the same ones. Left alone, its check would fail, and end the
session, as soon as there is a leader."""


class Hosts:
    """A ring of endpoints: whoever fails moves it on."""

    def __init__(self, endpoints: tuple[Endpoint, ...], options: ConsulOptions, pace: float = 1.0) -> None:
        """Begin with the first; `pace` is how many seconds are waited at most before one is asked again."""
        self._endpoints = endpoints
        self._options = options
        self._pace = pace
        self._at = 0
        self._failures = 0  # since the last success
        self._moves = 0  # since the last success
        self._silent = 0  # failures in a row at one that has answered for itself before
        self._electing: float | None = None  # since when one answers, and its servers don't

    def __len__(self) -> int:
        return len(self._endpoints)

    def link(self) -> Link:
        """Return the present endpoint, with token and TLS files as they are now.

        Raises:
            StoreError: one of the files cannot be used.
        """
        endpoint = self._endpoints[self._at % len(self._endpoints)]
        try:
            return Link(endpoint, self._options.token(), self._options.tls_context())
        except (OSError, StoreConfigError) as error:  # ssl.SSLError is an OSError
            raise StoreError(f"{endpoint} is not asked: {error}") from None

    def succeeded(self) -> None:
        """Note that the present one is well."""
        self._failures = self._moves = self._silent = 0
        self._electing = None

    def failed(self) -> float:
        """Move on; return the seconds to wait: none until all have failed."""
        self._at += 1
        self._moves += 1
        self._silent = 0
        self._electing = None
        return min(self._pace, delay(self._moves - len(self)))

    def silent(self) -> float:
        """Note that the present one has not answered; return the seconds to wait before asking the next.

        In an election one silence is forgiven: it may just be busy.
        """
        if self._electing is None or self._silent:
            return self.failed()
        self._silent += 1
        return 0.0

    def leaderless(self) -> float:
        """Note that the present one answers for itself alone; return the seconds until the next try."""
        now = time.monotonic()
        self._electing = self._electing or now
        self._silent = 0
        self._failures += 1
        if now - self._electing > ELECTION:
            return self.failed()
        return min(self._pace, delay(self._failures))
