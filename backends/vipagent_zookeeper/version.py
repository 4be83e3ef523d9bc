"""Version of the ZooKeeper server, by the four-letter word `srvr`."""

import re
import socket
import ssl
from contextlib import suppress

from vipagent_zookeeper.options import Hosts

MAX_REPLY = 4096
"""Maximum number of bytes to read; the version is at the beginning of the reply."""
VERSION = re.compile(rb"Zookeeper version: ([\w.]+)")


def ask(hosts: Hosts, tls: ssl.SSLContext | None, timeout: float) -> str:
    """Return the version of the first server that reports it, or an empty string.

    Args:
        hosts: the servers.
        tls: TLS context, or None.
        timeout: in seconds, for each server; four-letter words may be disabled.
    """
    for host, port in hosts:
        with suppress(OSError), socket.create_connection((host, port), timeout) as plain:
            connection = tls.wrap_socket(plain, server_hostname=host) if tls else plain
            with connection:
                connection.settimeout(timeout)
                connection.sendall(b"srvr")
                if found := VERSION.match(connection.recv(MAX_REPLY)):
                    return f"ZooKeeper {found[1].decode()}"
    return ""
