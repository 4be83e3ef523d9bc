"""A server that sends endless `100 Continue` responses.

    python -m tests.servers.flood [CERTIFICATE]

It prints its port, and a line for each connection; the certificate file includes the key. It exits at the
end of standard input.
"""

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HOST = "127.0.0.1"
RESPONSES = b"HTTP/1.1 100 Continue\r\n\r\n" * 2000


class Flood:
    """The running server, in a separate process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.address = f"{HOST}:{int(process.stdout.readline())}"
        self.connections = 0
        self._lines = process.stdout
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        with suppress(ValueError):  # the pipe was closed
            for _ in self._lines:
                self.connections += 1


@contextmanager
def flood(certificate: Path | None = None) -> Iterator[Flood]:
    """Run the server; with a certificate it uses TLS."""
    command = [sys.executable, "-m", "tests.servers.flood", *map(str, filter(None, [certificate]))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Flood(process)
        finally:
            process.kill()


def main(certificate: str | None) -> None:
    """Serve until the end of standard input."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    listener = socket.create_server((HOST, 0))
    threading.Thread(target=_accept, args=(listener, context), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


def _accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        connection, _ = listener.accept()
        print("connection", flush=True)
        threading.Thread(target=_serve, args=(connection, context), daemon=True).start()


def _serve(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    with suppress(OSError), connection:
        channel = context.wrap_socket(connection, server_side=True) if context else connection
        with channel:
            while True:
                channel.sendall(RESPONSES)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
