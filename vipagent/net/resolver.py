"""Resolves host names in threads that block neither an event loop nor the exit of the process.

asyncio's resolver runs in a thread pool that is joined at exit, and that an unresponsive name server fills.
"""

import asyncio
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple

from vipagent.net.endpoint import Endpoint

LOCALHOST = "localhost"
LOCALHOST_ADDRESSES = ("::1", "127.0.0.1")
"""Addresses of `localhost`, independent of name servers (RFC 6761, 6.3)."""


class Address(NamedTuple):
    """An address in the format of `socket`."""

    family: int
    sockaddr: tuple[Any, ...]


class Resolver:
    """Resolves names, with one pending lookup per name for all callers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, Future[list[Address]]] = {}

    async def addresses(self, server: Endpoint) -> list[Address]:
        """Return a server's addresses; IP addresses and `localhost` need no lookup.

        The caller sets the timeout. If it is cancelled, the next caller uses the pending lookup.

        Raises:
            OSError: the name cannot be resolved.
        """
        literals = LOCALHOST_ADDRESSES if server.host.lower().rstrip(".") == LOCALHOST else (server.host,)
        try:
            found = [address for text in literals for address in _look_up(text, socket.AI_NUMERICHOST)]
        except socket.gaierror:
            found = await _outcome(self._ask(server.host))
        return [Address(family, (sockaddr[0], server.port, *sockaddr[2:])) for family, sockaddr in found]

    def _ask(self, host: str) -> Future[list[Address]]:
        """Return the pending lookup of a name, or start one."""
        with self._lock:
            if host not in self._pending:
                lookup: Future[list[Address]] = Future()
                threading.Thread(
                    target=self._answer, args=(host, lookup), name="vipagent-resolver", daemon=True
                ).start()
                self._pending[host] = lookup
            return self._pending[host]

    def _answer(self, host: str, lookup: Future[list[Address]]) -> None:
        found: list[Address] = []
        failure: OSError | None = None
        try:
            found = _look_up(host)
        except OSError as error:
            failure = error
        with self._lock:
            del self._pending[host]
        if failure is None:
            lookup.set_result(found)
        else:
            lookup.set_exception(failure)


RESOLVER = Resolver()
"""The resolver of the process."""


async def _outcome(lookup: Future[list[Address]]) -> list[Address]:
    """Wait for a lookup; a cancellation does not end it."""
    loop = asyncio.get_running_loop()
    answered = asyncio.Event()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(answered.set)

    lookup.add_done_callback(wake)
    await answered.wait()
    return list(lookup.result())


def _look_up(host: str, flags: int = 0) -> list[Address]:
    """Call the system's resolver.

    Raises:
        gaierror: the name is unknown or invalid.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except ValueError:  # the name cannot be encoded: empty or too long label
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return list(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in found))
