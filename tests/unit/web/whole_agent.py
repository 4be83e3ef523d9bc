"""A complete agent process with a separate store, and with the test as ExaBGP."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.servers.process import free_port, wait_for
from tests.unit.web.client import Response, get
from vipagent.store.backend import Backend, StoreSettings
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.plugins import NullListener, load
from vipagent.testing.slowness import allowed

SERVICE = "apex"
CONFIG = """\
node: node1
backend: file
hosts: {store}
{listen}
services:
  {service}:
    auth_ip: 10.0.0.1
    vip: [10.0.0.2, 10.0.0.3]
    start_grace: 1
    settle: 0
"""


class WholeAgent:
    """One agent.

    Args:
        directory: directory of its configuration, store and log.
        listen: listen address; default: a free port on loopback.
    """

    def __init__(self, directory: Path, listen: str = "") -> None:
        self.port = free_port()
        self.store = directory / "store"
        self.store.mkdir(exist_ok=True)
        self.log = directory / "agent.log"
        self._config = directory / "agent.yaml"
        self.configure(listen or str(self.port))

    def configure(self, listen: str) -> None:
        """Write its configuration; if `listen` is empty, it does not listen."""
        self._config.write_text(
            CONFIG.format(store=self.store, listen=f"listen: '{listen}'" if listen else "", service=SERVICE)
        )

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "vipagent", "run", "--config", str(self._config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        """Return its pid."""
        return self._child.pid

    def say(self, line: str) -> None:
        """Send it a line, as ExaBGP."""
        assert self._child.stdin
        self._child.stdin.write(f"{line}\n".encode())
        self._child.stdin.flush()

    def stop(self) -> int:
        """Close its stdin, like an exit of ExaBGP; return its exit status."""
        assert self._child.stdin
        self._child.stdin.close()
        try:
            return self._child.wait(allowed(10))
        finally:
            self._child.kill()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """Send a GET request."""
        return get(self.port, path, headers)

    def is_listening(self) -> bool:
        """Return whether it responds."""
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    def wait(self) -> None:
        """Wait until it listens."""
        wait_for(f"it listens; its log:\n{self.read_log()}", self.is_listening, 20.0)

    def read_log(self) -> str:
        """Return its log."""
        return self.log.read_text()

    def operator(self) -> Backend:
        """Open a session with its store; the caller closes it."""
        settings = StoreSettings(node="operator", instance="test", hosts=(str(self.store),))
        backend = load("file")(settings, NullListener())
        backend.open()
        return backend


def key(kind: Kind, name: str) -> Key:
    """Return a key of the service."""
    return Key(Directory(kind, SERVICE), name)
