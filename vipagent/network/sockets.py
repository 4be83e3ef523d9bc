"""Sockets of rtnetlink: one for notifications, one for requests that the kernel answers at once."""

import errno
import socket
from collections.abc import Iterator, Sequence

from vipagent.network import netlink
from vipagent.network.netlink import Failed, Message, Route

BUFFER_SIZE = 1 << 16
"""Size of a read in bytes; the kernel's messages have at most 32 KB."""
NOTIFICATION_BUFFER = 1 << 20
"""Requested size of the kernel's buffer for notifications, which may come in bursts."""
REQUESTS_AT_ONCE = 16
"""Requests in one system call; their replies fit into a socket buffer of the default size."""
TEMPORARY_ERRORS = {errno.ENOMEM, errno.ENOBUFS, errno.EBUSY, errno.EINTR}
KERNEL = 0
"""Port of the kernel."""


class Overflow(Exception):
    """Notifications were lost: everything must be read again."""


class Socket:
    """A non-blocking socket of rtnetlink.

    Raises:
        OSError: the kernel has no rtnetlink, or forbids it.
    """

    def __init__(self, groups: int = 0) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            if groups:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NOTIFICATION_BUFFER)
            self.socket.bind((0, groups))
        except OSError:
            self.socket.close()
            raise

    def send(self, data: bytes) -> None:
        """Send requests to the kernel."""
        self.socket.sendto(data, (KERNEL, 0))

    def read(self) -> list[Message] | None:
        """Return the messages of one read; None if there is nothing to read.

        Raises:
            Overflow: messages were lost.
        """
        buffer = bytearray(BUFFER_SIZE)
        try:
            length, (port, _) = self.socket.recvfrom_into(buffer, BUFFER_SIZE, socket.MSG_TRUNC)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise Overflow from None
            raise
        if port != KERNEL:  # another process
            return []
        if length > BUFFER_SIZE:
            raise Overflow
        return list(netlink.split(bytes(memoryview(buffer)[:length])))

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class Routes:
    """Finds the kernel's routes to addresses."""

    def __init__(self) -> None:
        self._socket = Socket()
        self._sequence = 0

    def find(self, addresses: Sequence[bytes]) -> list[Route | Failed | None]:
        """Return the route to each address, or the error; None if the kernel has not answered."""
        found: list[Route | Failed | None] = []
        for start in range(0, len(addresses), REQUESTS_AT_ONCE):
            found += self._ask(addresses[start : start + REQUESTS_AT_ONCE], with_all_hops=True)
        # An entry may name its hops only by a number of a group of next hops.
        unclear = [index for index, route in enumerate(found) if _is_unclear(route)]
        for index in unclear:
            [found[index]] = self._ask([addresses[index]], with_all_hops=False)
        return found

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _ask(self, addresses: Sequence[bytes], *, with_all_hops: bool) -> list[Route | Failed | None]:
        first = self._sequence = (self._sequence + REQUESTS_AT_ONCE) % (1 << 31)
        requests = (
            netlink.find_route(address, first + number, with_all_hops=with_all_hops)
            for number, address in enumerate(addresses)
        )
        found: list[Route | Failed | None] = [None] * len(addresses)
        try:
            self._socket.send(b"".join(requests))
        except OSError as error:
            if error.errno in TEMPORARY_ERRORS:
                return found
            raise
        for message in self._replies():
            number = message.sequence - first
            parsed = netlink.parse(message)
            if not 0 <= number < len(found) or not isinstance(parsed, Route | Failed):
                continue
            if not (isinstance(parsed, Failed) and parsed.errno in {0, *TEMPORARY_ERRORS}):
                found[number] = parsed
        return found

    def _replies(self) -> Iterator[Message]:
        while True:
            try:
                messages = self._socket.read()
            except Overflow:
                continue  # addresses without a reply are asked for again later
            if messages is None:
                return
            yield from messages


def _is_unclear(route: Route | Failed | None) -> bool:
    return isinstance(route, Route) and not route.local and not route.interfaces
