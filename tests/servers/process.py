"""A child process of a test, with its output for failure reports."""

import errno
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from vipagent.testing.slowness import allowed

T = TypeVar("T")

_used_ports: set[int] = set()
"""Ports that were already returned."""


def free_port(host: str = "127.0.0.1", count: int = 1) -> int:
    """Return the first of `count` consecutive free TCP ports; each port is returned only once.

    It is below the kernel's ephemeral ports, so that a killed server can use it again.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        first = random.SystemRandom().randrange(max(1024, lowest - 10_000), lowest - count + 1)
        ports = range(first, first + count)
        if _used_ports.isdisjoint(ports) and all(_is_free(host, port) for port in ports):
            _used_ports.update(ports)
            return first


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def wait_for(what: str, probe: Callable[[], T], within: float = 10.0, every: float = 0.01) -> T:
    """Call `probe` until it returns a true value, and return it.

    Fails after `within` seconds on an idle machine (`vipagent.testing.slowness`).
    """
    within = allowed(within)
    deadline = time.monotonic() + within
    while True:
        late = time.monotonic() > deadline  # before the last poll, which may itself be delayed
        result = probe()
        if result:
            return result
        if late:
            raise AssertionError(f"not within {within} s: {what}; last seen: {result!r}")
        time.sleep(every)


class Process:
    """One child process in a new session, with its output in a file."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = env
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The pid of the running child."""
        assert self._child is not None, f"{self.name} was not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the child runs."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the child."""
        assert not self.running, f"{self.name} is already running"
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal only to the child."""
        if self.running:
            assert self._child is not None
            self._child.send_signal(number)

    def wait(self, within: float = 10.0) -> int:
        """Wait for the child's exit and return its status."""
        assert self._child is not None
        return self._child.wait(allowed(within))

    def kill(self) -> None:
        """Kill it with SIGKILL, and reap it."""
        self.signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait(allowed(10))

    def terminate(self, within: float = 10.0) -> None:
        """Send SIGTERM, then `kill -9` if it does not exit."""
        self.signal(signal.SIGTERM)
        if self._child is not None:
            try:
                self._child.wait(allowed(within))
            except subprocess.TimeoutExpired:
                self.kill()

    def output(self) -> str:
        """Return the output of the child so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
