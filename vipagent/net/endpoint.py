"""HOST:PORT, as options and URLs name a server."""

from typing import NamedTuple, Self
from urllib.parse import urlsplit


class Endpoint(NamedTuple):
    """A server's host and port."""

    host: str
    """A name, or a literal address without brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, default_port: int) -> Self:
        """Parse `HOST[:PORT]`; an IPv6 address is in brackets.

        Raises:
            ValueError: it is something else.
        """
        if "://" in text:
            raise ValueError(f"host {text!r} is to be HOST:PORT, without a scheme (for https: `tls: true`)")
        try:
            parts = urlsplit(f"//{text}")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"host {text!r}: {error}") from None
        if not host or parts.netloc != text or "@" in text or " " in text or port == 0:
            raise ValueError(f"host {text!r} is not HOST:PORT")
        return cls(host, port or default_port)
