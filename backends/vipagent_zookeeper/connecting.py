"""TCP and TLS connections for kazoo, with timeouts and with errors that name the host."""

import contextlib
import socket
from collections.abc import Callable, Iterable

from vipagent.net.endpoint import Endpoint
from vipagent_zookeeper.errors import explain_connection
from vipagent_zookeeper.options import ZooKeeperOptions

CONNECT_TIMEOUT = 1.0
"""Timeout of the TCP connection, and of the TLS handshake, in seconds; then kazoo retries."""


class ConnectionFactory:
    """Creates kazoo's connections, one at a time.

    kazoo would wait for a whole session timeout for a connection, trust the system's authorities in addition
    to the configured ones, and not report which host refused the connection.
    """

    def __init__(
        self, names: Iterable[str], options: ZooKeeperOptions, on_connect: Callable[[], None]
    ) -> None:
        """Initialize.

        Args:
            names: the configured hosts' names.
            options: for TLS.
            on_connect: called on kazoo's thread when a connection is established.
        """
        self._names = tuple(names)
        self._options = options
        self._on_connect = on_connect
        self._socket: socket.socket | None = None
        self._closed = False
        self.peer = ""
        """`HOST:PORT` of the current or last attempt."""

    def connect(
        self, address: tuple[str, int], hostname: str | None = None, **_kazoos: object
    ) -> socket.socket:
        """Connect, as kazoo's `create_connection` does.

        Raises:
            OSError: the connection failed; the text is shown to operators.
        """
        host, port = address
        name = hostname or self._name_of(host)
        self.peer = str(Endpoint(name, port))
        try:
            connection = self._connect(host, port, name)
        except OSError as error:
            raise OSError(error.errno, explain_connection(error)) from error
        self._on_connect()
        return connection

    def _connect(self, host: str, port: int, name: str) -> socket.socket:
        context = self._options.tls_context()
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            self._check_open()
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(CONNECT_TIMEOUT)
            self._socket.connect((host, port))
            if context is not None:
                encrypted = context.wrap_socket(
                    self._socket, server_hostname=name, do_handshake_on_connect=False
                )
                self._socket = encrypted  # before the handshake, so that `reset_connection` can abort it
                encrypted.do_handshake()
            self._check_open()
        except OSError:
            self._socket.close()
            raise
        return self._socket

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionAbortedError("the session was abandoned")

    def _name_of(self, host: str) -> str:
        """Return the name of an address (kazoo before 2.10 passes only that, but TLS needs the name)."""
        for name in self._names:
            with contextlib.suppress(OSError):
                if any(found[4][0] == host for found in socket.getaddrinfo(name, None)):
                    return name
        return host

    def reset_connection(self) -> None:
        """Close the current connection; kazoo reconnects. Thread-safe."""
        if (connection := self._socket) is not None:
            with contextlib.suppress(OSError):  # a TLS shutdown would first send data to the peer
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the current connection and refuse new ones. Thread-safe."""
        self._closed = True
        self.reset_connection()
