"""The local service of a load balancer: returns its name by UDP, and its health by HTTP.

python -m tests.lab.echo NAME INTERFACE,... VIP...

It replies by the interface of the request, so that a link is used in both directions or in neither.
"""

import asyncio
import socket
import sys
from typing import cast

from tests.lab.plan import ECHO_PORT

HEALTH = ("127.0.0.1", 8080)
"""Address of the agent's check, as in conf/."""


class Echo(asyncio.DatagramProtocol):
    """Returns every packet with the node's name appended."""

    def __init__(self, name: str) -> None:
        self._name = name.encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data + self._name, addr)

    def error_received(self, exc: Exception) -> None:
        """Ignore packets that cannot be sent."""


async def well(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one HTTP request."""
    await reader.readline()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    writer.close()


def listen(vip: str, interface: str) -> socket.socket:
    """Return a socket for the packets that arrive by an interface."""
    made = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    made.bind((vip, ECHO_PORT))
    return made


async def serve(name: str, interfaces: list[str], vips: list[str]) -> None:
    """Serve until killed; healthy once all VIPs reply."""
    loop = asyncio.get_running_loop()
    for vip in vips:
        for interface in interfaces:
            await loop.create_datagram_endpoint(lambda: Echo(name), sock=listen(vip, interface))
    server = await asyncio.start_server(well, *HEALTH)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2].split(","), sys.argv[3:]))
