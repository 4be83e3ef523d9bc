"""What the checks over the network share: where they go, and what can go wrong on the way, in words."""

import asyncio
import os
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from socket import gaierror
from urllib.parse import urlsplit

from vipagent.checks.outcome import Outcome
from vipagent.net.tls import refusal

DEFAULT_PORTS = {"http": 80, "https": 443}
VERIFY_OPTION = "check_verify"
"""The key that says how a check verifies a certificate."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a check goes."""

    url: str
    """As configured."""
    scheme: str
    host: str
    """A name, or a literal address without brackets."""
    port: int
    authority: str
    """Host and, where the URL gives one, port, as they are in the URL."""
    target: str
    """Path and query."""


def endpoint(url: str) -> Endpoint:
    """Take a valid URL apart."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return Endpoint(url, parts.scheme, parts.hostname or "", port, parts.netloc, target)


async def attempt(where: Endpoint, time_limit: float, talk: Awaitable[Outcome]) -> Outcome:
    """Wait for the outcome, but no longer than so many seconds; what the network does wrong is one, too."""
    try:
        async with asyncio.timeout(time_limit):
            return await talk
    except OSError as error:
        return Outcome(False, _in_words(error, where.url, time_limit))


def _in_words(error: OSError, url: str, time_limit: float) -> str:
    match error:
        case TimeoutError():
            return f"no answer from {url} within {time_limit:g} s"
        case ConnectionRefusedError():
            return f"connection refused by {url}"
        case ssl.SSLCertVerificationError():
            return f"certificate of {url} refused: {refusal(error, VERIFY_OPTION)}"
        case ssl.SSLError():
            return f"no TLS with {url}: {error.reason or error}"
        case gaierror():
            return f"name in {url} not resolved: {error.strerror}"
        case _:
            return f"no connection to {url}: {os.strerror(error.errno) if error.errno else error}"
