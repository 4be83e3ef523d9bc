"""A replacement of `socket.getaddrinfo` with the names of a test."""

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Resolve = Callable[..., list[Any]]


def resolving(names: Mapping[str, Sequence[str]], on_lookup: Callable[[str], object] = len) -> Resolve:
    """Return a replacement of `socket.getaddrinfo`; literal addresses are resolved as usual.

    Args:
        names: the addresses of each name.
        on_lookup: called with each name, in the calling thread.
    """
    system = socket.getaddrinfo

    def resolve(host: str, port: int | None, *arguments: Any, **named: Any) -> list[Any]:
        if host not in names:
            return list(system(host, port, *arguments, **named))
        if named.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no literal address")
        on_lookup(host)
        if not names[host]:
            raise socket.gaierror(socket.EAI_AGAIN, "no name server")
        return [found for address in names[host] for found in system(address, port, *arguments, **named)]

    return resolve
