"""TCP connections with a timeout."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from vipagent.net.endpoint import Endpoint
from vipagent.net.resolver import RESOLVER, Address

Order = Callable[[Sequence[Address]], Sequence[Address]]
"""Returns the addresses of a name in the order in which they are tried."""

KEEPALIVE_IDLE = 15
"""Idle time in seconds before TCP keepalive probes, and the interval between up to three probes."""
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_IDLE // 3),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""Detects connections that a firewall has silently dropped."""


async def connect(server: Endpoint, within: float, order: Order = list) -> socket.socket:
    """Return a socket that is connected to the first reachable address of a server.

    Args:
        server: the server.
        within: total timeout in seconds; the remaining addresses share the remaining time equally.
        order: order of the addresses; default: the resolver's.

    Raises:
        OSError: no address is reachable in time; the last error is raised.
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
