"""The Consul agents that may be asked, in turn."""

from vipagent.store.backend import StoreConfigError, StoreError
from vipagent_consul.client import Link
from vipagent_consul.options import ConsulOptions, Endpoint


class Hosts:
    """A ring of endpoints: whoever fails moves it on."""

    def __init__(self, endpoints: tuple[Endpoint, ...], options: ConsulOptions) -> None:
        self._endpoints = endpoints
        self._options = options
        self._at = 0

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

    def advance(self) -> None:
        """Take the next one from now on."""
        self._at += 1
