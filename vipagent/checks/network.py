"""What the checks over the network share: where they go, and what can go wrong on the way, in words."""

from collections.abc import Awaitable
from dataclasses import dataclass
from urllib.parse import urlsplit

from vipagent.checks.outcome import Outcome
from vipagent.net.endpoint import Endpoint
from vipagent.net.errors import Failure, explain

DEFAULT_PORTS = {"http": 80, "https": 443}
VERIFY_OPTION = "check_verify"
"""The key that says how a check verifies a certificate."""
TEXTS = {
    Failure.TIMEOUT: "no answer from {url} within {within:g} s",
    Failure.REFUSED: "connection refused by {url}",
    Failure.CERTIFICATE: "certificate of {url} refused: {cause}",
    Failure.TLS: "no TLS with {url}: {cause}",
    Failure.NAME: "name in {url} not resolved: {cause}",
    Failure.PROTOCOL: "no HTTP from {url}: {cause}",
    Failure.CLOSED: "no connection to {url}: {cause}",
    Failure.OTHER: "no connection to {url}: {cause}",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a check asks."""

    url: str
    """As configured."""
    scheme: str
    server: Endpoint
    authority: str
    """Host and, where the URL gives one, port, as they are in the URL."""
    path: str
    """With the query."""


def target(url: str) -> Target:
    """Take a valid URL apart."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    server = Endpoint(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
    return Target(url, parts.scheme, server, parts.netloc, path)


async def attempt(url: str, time_limit: float, talk: Awaitable[Outcome]) -> Outcome:
    """Return the outcome; what the network does wrong within so many seconds is one, too."""
    try:
        return await talk
    except OSError as error:
        return Outcome(False, explain(error, TEXTS, VERIFY_OPTION, url=url, within=time_limit))
