"""What a client has asked of a server, read from what it sent, and how much of it only says "I live"."""

import re
import struct
from dataclasses import dataclass

REQUEST = re.compile(rb"(?:GET|PUT|POST|DELETE) (/v\S*) HTTP/1\.1\r\n")
ALIVE = re.compile(rb"/v3/lease/keepalive|/v1/agent/check/pass/|/v1/session/renew/")
"""Keep-alives of etcd and Consul."""
PING, EXISTS = 11, 3
"""ZooKeeper's types of requests."""


@dataclass(frozen=True, slots=True)
class Requests:
    """How many there were."""

    alive: int
    others: int

    def __sub__(self, before: "Requests") -> "Requests":
        return Requests(self.alive - before.alive, self.others - before.others)


def count(backend: str, said: list[bytes]) -> Requests:
    """Count the requests of all connections.

    Args:
        backend: whose protocol it is.
        said: what the client said, by connection.
    """
    if backend == "zookeeper":
        signs = [sign for connection in said for sign in _zookeeper(connection)]
    else:
        paths = [path for connection in said for path in REQUEST.findall(connection)]
        signs = [ALIVE.match(path) is not None for path in paths]
    return Requests(sum(signs), len(signs) - sum(signs))


def _zookeeper(said: bytes) -> list[bool]:
    """Say of each request whether it is a heartbeat: kazoo's ping, or ours, whether "/" exists."""
    signs = []
    while len(said) >= 4:
        (length,) = struct.unpack_from(">i", said)
        request, said = said[4 : 4 + length], said[4 + length :]
        (kind,) = struct.unpack_from(">i", request, 4)
        signs.append(kind == PING or (kind == EXISTS and request[8:13] == b"\x00\x00\x00\x01/"))
    return signs[1:]  # the first asks for a session
