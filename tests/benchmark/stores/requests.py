"""Count requests and keepalives in the data that a client has sent."""

import re
import struct
from dataclasses import dataclass

REQUEST = re.compile(rb"(?:GET|PUT|POST|DELETE) (/v\S*) HTTP/1\.1\r\n")
KEEPALIVE = re.compile(rb"/v3/lease/keepalive|/v1/agent/check/pass/|/v1/session/renew/")
"""Keepalive requests of etcd and Consul."""
PING, EXISTS = 11, 3
"""Request types of ZooKeeper."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Numbers of keepalives and of other requests."""

    keepalives: int
    others: int

    def __sub__(self, before: "Requests") -> "Requests":
        return Requests(self.keepalives - before.keepalives, self.others - before.others)


def count(backend: str, sent: list[bytes]) -> Requests:
    """Count the requests of all connections.

    Args:
        backend: name of the store, for its protocol.
        sent: data from the client, by connection.
    """
    if backend == "zookeeper":
        is_keepalive = [flag for connection in sent for flag in _zookeeper_keepalives(connection)]
    else:
        paths = [path for connection in sent for path in REQUEST.findall(connection)]
        is_keepalive = [KEEPALIVE.match(path) is not None for path in paths]
    return Requests(sum(is_keepalive), len(is_keepalive) - sum(is_keepalive))


def _zookeeper_keepalives(sent: bytes) -> list[bool]:
    """Return for each request whether it is a keepalive: a ping, or our `exists` of "/"."""
    is_keepalive = []
    while len(sent) >= 4:
        (length,) = struct.unpack_from(">i", sent)
        request, sent = sent[4 : 4 + length], sent[4 + length :]
        (kind,) = struct.unpack_from(">i", request, 4)
        is_keepalive.append(kind == PING or (kind == EXISTS and request[8:13] == b"\x00\x00\x00\x01/"))
    return is_keepalive[1:]  # without the connect request
