"""TCP connections, by a deadline."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from vipagent.net.endpoint import Endpoint
from vipagent.net.resolver import RESOLVER, Address

Order = Callable[[Sequence[Address]], Sequence[Address]]
"""Says in which order a name's addresses are tried."""

SILENCE = 15
"""Seconds of silence after which the kernel asks whether the other side is still there; it asks thrice."""
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENCE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, SILENCE // 3),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""A firewall may have forgotten a quiet connection, and tell nobody."""


async def connect(server: Endpoint, within: float, order: Order = list) -> socket.socket:
    """Return a socket that is connected to the first of a server's addresses that accepts.

    Args:
        server: where to.
        within: seconds for all of it; of what is left, each address gets the same share.
        order: of the addresses; by default the resolver's.

    Raises:
        OSError: none accepts in time, or there is none; of several failures it is the last.
    """
    now = asyncio.get_running_loop().time
    until = now() + within
    async with asyncio.timeout_at(until):
        addresses = order(await RESOLVER.addresses(server))
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "the name has no address")
    for tried, address in enumerate(addresses):
        try:
            async with asyncio.timeout((until - now()) / (len(addresses) - tried)):
                return await _connect(address)
        except OSError as error:
            failure = error
    raise failure


async def _connect(address: Address) -> socket.socket:
    connecting = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        for level, option, value in KEEPALIVE:
            connecting.setsockopt(level, option, value)
        await asyncio.get_running_loop().sock_connect(connecting, address.sockaddr)
    except BaseException:
        connecting.close()
        raise
    return connecting
