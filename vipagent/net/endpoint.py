"""HOST:PORT addresses of options and URLs."""

from typing import NamedTuple, Self
from urllib.parse import urlsplit


class Endpoint(NamedTuple):
    """A server's host and port."""

    host: str
    """A name, or an IP address without brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, default_port: int) -> Self:
        """Parse `HOST[:PORT]`; an IPv6 address must be in brackets.

        Raises:
            ValueError: the text is invalid.
        """
        if "://" in text:
            raise ValueError(f"host {text!r} must be HOST:PORT, without a scheme (for https: `tls: true`)")
        try:
            parts = urlsplit(f"//{text}")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"host {text!r}: {error}") from None
        if not host or parts.netloc != text or "@" in text or " " in text or port == 0:
            raise ValueError(f"host {text!r} is not HOST:PORT")
        return cls(host, port or default_port)
