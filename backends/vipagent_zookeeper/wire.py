"""The connections below kazoo: bounded in time, cut when they are silent, with errors that name the host."""

import contextlib
import socket
from collections.abc import Callable, Iterable

from vipagent.net.endpoint import Endpoint
from vipagent_zookeeper.options import ZooKeeperOptions
from vipagent_zookeeper.refusals import explain_connection

DIAL = 1.0
"""Seconds for TCP to connect, and as many for TLS; after them it is tried again, perhaps elsewhere."""


class Wire:
    """Makes kazoo's connections, one at a time.

    kazoo would wait for a whole session's life for a connection, trust the system's authorities besides the
    given ones, and tell nobody which host refused it.
    """

    def __init__(self, names: Iterable[str], options: ZooKeeperOptions, dialled: Callable[[], None]) -> None:
        """Prepare.

        Args:
            names: the configured hosts' names.
            options: for TLS.
            dialled: called on kazoo's thread when a connection stands.
        """
        self._names = tuple(names)
        self._options = options
        self._dialled = dialled
        self._socket: socket.socket | None = None
        self._closed = False
        self.peer = ""
        """`HOST:PORT` of the present or last attempt."""

    def dial(self, address: tuple[str, int], hostname: str | None = None, **_kazoos: object) -> socket.socket:
        """Connect, as kazoo's `create_connection` does.

        Raises:
            OSError: it failed; its text is for people.
        """
        host, port = address
        name = hostname or self._name_of(host)
        self.peer = str(Endpoint(name, port))
        try:
            connection = self._connect(host, port, name)
        except OSError as error:
            raise OSError(error.errno, explain_connection(error)) from error
        self._dialled()
        return connection

    def _connect(self, host: str, port: int, name: str) -> socket.socket:
        context = self._options.tls_context()
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            self._check_open()
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(DIAL)
            self._socket.connect((host, port))
            if context is not None:
                encrypted = context.wrap_socket(
                    self._socket, server_hostname=name, do_handshake_on_connect=False
                )
                self._socket = encrypted  # before the handshake, which `hang_up` must be able to end
                encrypted.do_handshake()
            self._check_open()
        except OSError:
            self._socket.close()
            raise
        return self._socket

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionAbortedError("this session is given up")

    def _name_of(self, host: str) -> str:
        """Return the name behind an address (kazoo before 2.10 says only that, and TLS needs the name)."""
        for name in self._names:
            with contextlib.suppress(OSError):
                if any(found[4][0] == host for found in socket.getaddrinfo(name, None)):
                    return name
        return host

    def hang_up(self) -> None:
        """End the present connection, whoever waits for it; kazoo makes another. From any thread."""
        if (connection := self._socket) is not None:
            with contextlib.suppress(OSError):  # TLS's own shutdown would talk to the peer first
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the present connection, and make no other. From any thread."""
        self._closed = True
        self.hang_up()
