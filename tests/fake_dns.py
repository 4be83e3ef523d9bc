"""A stand-in for `socket.getaddrinfo` that resolves the names of a test."""

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

GetAddrInfo = Callable[..., list[Any]]


def fake_getaddrinfo(
    names: Mapping[str, Sequence[str]], on_lookup: Callable[[str], object] = len
) -> GetAddrInfo:
    """Return a replacement for `socket.getaddrinfo`; other names and literal addresses use the original.

    Args:
        names: addresses by name; a name without addresses fails temporarily.
        on_lookup: called with each name, in the thread of the lookup.
    """
    system = socket.getaddrinfo

    def resolve(host: str, port: int | None, *arguments: Any, **keywords: Any) -> list[Any]:
        if host not in names:
            return list(system(host, port, *arguments, **keywords))
        if keywords.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no literal address")
        on_lookup(host)
        if not names[host]:
            raise socket.gaierror(socket.EAI_AGAIN, "no name server")
        return [found for address in names[host] for found in system(address, port, *arguments, **keywords)]

    return resolve
