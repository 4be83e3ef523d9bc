"""Targets and error messages of the network checks."""

from collections.abc import Awaitable
from dataclasses import dataclass
from urllib.parse import urlsplit

from vipagent.checks.outcome import CheckOutcome
from vipagent.net.endpoint import Endpoint
from vipagent.net.errors import Failure, explain

DEFAULT_PORTS = {"http": 80, "https": 443}
VERIFY_OPTION = "check_verify"
"""The key that configures the verification of certificates."""
CHECK_TEXTS = {
    Failure.TIMEOUT: "no response from {url} within {within:g} s",
    Failure.REFUSED: "connection refused by {url}",
    Failure.CERTIFICATE: "certificate of {url} rejected: {cause}",
    Failure.TLS: "TLS to {url} failed: {cause}",
    Failure.NAME: "name resolution of {url} failed: {cause}",
    Failure.PROTOCOL: "invalid HTTP response from {url}: {cause}",
    Failure.CLOSED: "connection to {url} failed: {cause}",
    Failure.OTHER: "connection to {url} failed: {cause}",
}


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a check."""

    url: str
    """The URL as configured."""
    scheme: str
    server: Endpoint
    authority: str
    """Host and optional port, as in the URL."""
    path: str
    """Path and query."""


def target(url: str) -> Target:
    """Parse a valid URL."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    server = Endpoint(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
    return Target(url, parts.scheme, server, parts.netloc, path)


async def attempt(url: str, within: float, talk: Awaitable[CheckOutcome]) -> CheckOutcome:
    """Return the outcome of a check; network errors and the timeout are failures."""
    try:
        return await talk
    except OSError as error:
        return CheckOutcome(False, explain(error, CHECK_TEXTS, VERIFY_OPTION, url=url, within=within))
