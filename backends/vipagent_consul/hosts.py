"""The Consul agents that may be asked, in turn."""

from vipagent_consul.client import Link
from vipagent_consul.options import Endpoint, Options


class Hosts:
    """A ring of endpoints: whoever fails moves it on."""

    def __init__(self, endpoints: tuple[Endpoint, ...], options: Options) -> None:
        self._endpoints = endpoints
        self._options = options
        self._at = 0

    def __len__(self) -> int:
        return len(self._endpoints)

    def link(self) -> Link:
        """Return the present endpoint, with token and TLS files as they are now.

        Raises:
            StoreError: one of the files is unreadable.
        """
        endpoint = self._endpoints[self._at % len(self._endpoints)]
        return Link(endpoint, self._options.token(), self._options.tls_context())

    def advance(self) -> None:
        """Take the next one from now on."""
        self._at += 1
