"""What the checks over the network share: where they go, and what can go wrong on the way, in words."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from socket import gaierror
from urllib.parse import urlsplit

from vipagent.checks.outcome import Outcome

DEFAULT_PORTS = {"http": 80, "https": 443, "tcp": None}


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
    """Take a URL apart.

    Raises:
        ValueError: it is no URL that can be checked; says why.
    """
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError(f"{url!r}: only printable ASCII without blanks; write anything else as %XX")
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"{url}: a check's URL starts with http://, https:// or tcp://")
    if parts.username is not None:
        raise ValueError(
            f"a user or a password in the URL of {parts.hostname} would end up in logs: remove it"
        )
    if not parts.hostname:
        raise ValueError(f"{url}: names no host")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    if port is None:
        raise ValueError(f"{url}: names no port, as in tcp://{parts.netloc}:80")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(url, parts.scheme, parts.hostname, port, parts.netloc, target)


@asynccontextmanager
async def connected(where: Endpoint) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect, and let go of the connection without a word in the end.

    A literal address costs no thread. A name does: its resolver, in the loop's pool of threads.
    """
    tls = _tls() if where.scheme == "https" else None
    reader, writer = await asyncio.open_connection(where.host, where.port, ssl=tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def attempt(where: Endpoint, time_limit: float, talk: Awaitable[Outcome]) -> Outcome:
    """Wait for the outcome, but no longer than so many seconds; what the network does wrong is one, too."""
    try:
        async with asyncio.timeout(time_limit):
            return await talk
    except OSError as error:
        return Outcome(False, _in_words(error, where.url, time_limit))


@cache
def _tls() -> ssl.SSLContext:
    """Return the context of all checks: with the system's certificates, each takes 0.8 MB."""
    return ssl.create_default_context()


def _in_words(error: OSError, url: str, time_limit: float) -> str:
    match error:
        case TimeoutError():
            return f"no answer from {url} within {time_limit:g} s"
        case ConnectionRefusedError():
            return f"connection refused by {url}"
        case ssl.SSLCertVerificationError():
            return f"certificate of {url} refused: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS with {url}: {error.reason or error}"
        case gaierror():
            return f"name in {url} not resolved: {error.strerror}"
        case _:
            return f"no connection to {url}: {os.strerror(error.errno) if error.errno else error}"
