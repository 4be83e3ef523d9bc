"""Which ZooKeeper answers: its protocol does not say, but the four-letter word `srvr` does."""

import re
import socket
import ssl
from contextlib import suppress

from vipagent_zookeeper.options import Hosts

LONGEST = 4096
"""Bytes of an answer that are looked at; the version stands at its beginning."""
VERSION = re.compile(rb"Zookeeper version: ([\w.]+)")


def ask(hosts: Hosts, tls: ssl.SSLContext | None, timeout: float) -> str:
    """Return the version of the first server that tells it, and nothing if none does.

    Args:
        hosts: the servers.
        tls: for those that are reached by TLS.
        timeout: seconds for each of them; a server may be set not to answer four-letter words.
    """
    for host, port in hosts:
        with suppress(OSError), socket.create_connection((host, port), timeout) as plain:
            connection = tls.wrap_socket(plain, server_hostname=host) if tls else plain
            with connection:
                connection.settimeout(timeout)
                connection.sendall(b"srvr")
                if found := VERSION.match(connection.recv(LONGEST)):
                    return f"ZooKeeper {found[1].decode()}"
    return ""
