"""Host names to addresses, in threads that hold up neither a loop nor the process's end.

asyncio's own resolver runs in a pool that is joined at exit, and that a silent name server fills.
"""

import asyncio
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple

from vipagent.net.endpoint import Endpoint

LOCALHOST = "localhost"
LOOPBACK = ("::1", "127.0.0.1")
"""What `localhost` stands for, whatever name servers say (RFC 6761, 6.3)."""


class Address(NamedTuple):
    """Where to connect to, as `socket` has it."""

    family: int
    sockaddr: tuple[Any, ...]


class Resolver:
    """Looks each name up once at a time, however many ask for it, from whatever threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, Future[list[Address]]] = {}

    async def addresses(self, server: Endpoint) -> list[Address]:
        """Return a server's addresses; a literal one, and `localhost`, is not looked up.

        There is no time limit but the caller's: whoever gives up leaves the look-up to the next.

        Raises:
            OSError: the name does not resolve.
        """
        literals = LOOPBACK if server.host.lower().rstrip(".") == LOCALHOST else (server.host,)
        try:
            found = [address for text in literals for address in _look_up(text, socket.AI_NUMERICHOST)]
        except socket.gaierror:
            found = await _outcome(self._ask(server.host))
        return [Address(family, (sockaddr[0], server.port, *sockaddr[2:])) for family, sockaddr in found]

    def _ask(self, host: str) -> Future[list[Address]]:
        """Return the look-up of this name that is in flight, or begin one."""
        with self._lock:
            if host not in self._asked:
                asked: Future[list[Address]] = Future()
                threading.Thread(
                    target=self._answer, args=(host, asked), name="vipagent-resolver", daemon=True
                ).start()
                self._asked[host] = asked
            return self._asked[host]

    def _answer(self, host: str, asked: Future[list[Address]]) -> None:
        found: list[Address] = []
        failure: OSError | None = None
        try:
            found = _look_up(host)
        except OSError as error:
            failure = error
        with self._lock:
            del self._asked[host]
        if failure is None:
            asked.set_result(found)
        else:
            asked.set_exception(failure)


RESOLVER = Resolver()
"""The process's own."""


async def _outcome(asked: Future[list[Address]]) -> list[Address]:
    """Wait for a look-up; giving up waiting does not end it."""
    loop = asyncio.get_running_loop()
    answered = asyncio.Event()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(answered.set)

    asked.add_done_callback(wake)
    await answered.wait()
    return list(asked.result())


def _look_up(host: str, flags: int = 0) -> list[Address]:
    """Ask the system.

    Raises:
        gaierror: it does not know the name, or it is none.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except ValueError:  # it cannot be written for a name server: an empty label, one that is too long
        raise socket.gaierror(socket.EAI_NONAME, "no host name") from None
    return list(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in found))
