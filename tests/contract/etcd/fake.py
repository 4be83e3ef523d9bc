"""A fake etcd server that can delay logins or freeze."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

ANSWER = {"header": {"revision": "1"}, "version": "3.5", "ID": "7", "TTL": "6", "token": "given"}
"""Response to all requests."""


class FakeEtcd:
    """Accepts all tokens; a context manager."""

    def __init__(self, freezes_at_login: bool = False) -> None:
        """Listen, and serve after `__enter__`.

        Args:
            freezes_at_login: stop all replies at the first login.
        """
        self.logins = 0
        """Number of logins."""
        self.let_in = threading.Event()
        """Set to reply to logins."""
        self._freezes = freezes_at_login
        self._frozen = False
        self._thawed = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.address = f"127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_in.set()
        self.unfreeze()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def unfreeze(self) -> None:
        """Reply to all pending requests, and stop freezing."""
        self._freezes = self._frozen = False
        self._thawed.set()

    def wait_turn(self, path: str) -> None:
        """Return when a request must be answered."""
        if path == "/v3/auth/authenticate":
            self.logins += 1
            self._frozen = self._freezes
            if not self._freezes:
                self.let_in.wait()
        if self._frozen:
            self._thawed.wait()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                fake.wait_turn(self.path)
                body = json.dumps(ANSWER).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with suppress(OSError):  # clients abort their connections
                    super().handle()

        return Handler
