"""A system that resolves the names of a test, by `socket.getaddrinfo`."""

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Resolve = Callable[..., list[Any]]


def resolving(names: Mapping[str, Sequence[str]], asked: Callable[[str], object] = len) -> Resolve:
    """Return what to put in the place of `socket.getaddrinfo`; literal addresses are as ever.

    Args:
        names: the addresses of each.
        asked: called with each name, in the thread that asks for it.
    """
    system = socket.getaddrinfo

    def resolve(host: str, port: int | None, *arguments: Any, **named: Any) -> list[Any]:
        if host not in names:
            return list(system(host, port, *arguments, **named))
        if named.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no literal address")
        asked(host)
        if not names[host]:
            raise socket.gaierror(socket.EAI_AGAIN, "no name server")
        return [found for address in names[host] for found in system(address, port, *arguments, **named)]

    return resolve
