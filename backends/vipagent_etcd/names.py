"""Host names to addresses, in threads that hold up neither the loop nor the process's end."""

import asyncio
import socket
import threading
from typing import Any

Found = list[tuple[Any, ...]]


class Resolver:
    """asyncio's own resolver runs in a pool that is joined at exit, however long a name server is silent."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], asyncio.Future[Found]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the host's addresses; a literal one costs no thread.

        Raises:
            OSError: it does not resolve.
        """
        try:
            found = _lookup(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            found = await asyncio.shield(self._ask(host, port))
        return list(dict.fromkeys(entry[4][0] for entry in found))

    def _ask(self, host: str, port: int) -> "asyncio.Future[Found]":
        """Ask in a thread of its own, unless that name is being asked for already."""
        asked = self._asked.get((host, port))
        if asked is None:
            asked = self._asked[host, port] = asyncio.get_running_loop().create_future()
            asked.add_done_callback(lambda done: self._forget(host, port, done))
            threading.Thread(
                target=_answer, args=(asked, host, port), name="vipagent-etcd-name", daemon=True
            ).start()
        return asked

    def _forget(self, host: str, port: int, done: "asyncio.Future[Found]") -> None:
        del self._asked[host, port]
        if not done.cancelled():
            done.exception()  # whoever asked may have given up long ago


def _lookup(host: str, port: int, flags: int = 0) -> Found:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))


def _answer(asked: "asyncio.Future[Found]", host: str, port: int) -> None:
    result: Found = []
    error: OSError | None = None
    try:
        result = _lookup(host, port)
    except (OSError, UnicodeError) as caught:
        error = caught if isinstance(caught, OSError) else socket.gaierror(socket.EAI_NONAME, "no host name")
    loop = asyncio.Future.get_loop(asked)
    if not loop.is_closed():
        loop.call_soon_threadsafe(_settle, asked, result, error)


def _settle(asked: "asyncio.Future[Found]", result: Found, error: OSError | None) -> None:
    if asked.done():
        return
    if error is None:
        asked.set_result(result)
    else:
        asked.set_exception(error)
