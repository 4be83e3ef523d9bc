"""300 agents in one service: kill some of them, and measure when the others are notified."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.benchmark.stores.served import Served
from tests.benchmark.stores.sessions import name

SINGLE, GROUP = range(1), range(1, 31)
"""Nodes that are killed first, and next."""
TOTAL = 300
SURVIVORS = [range(first, min(first + 45, TOTAL)) for first in range(31, TOTAL, 45)]
"""The other nodes, in groups of one process each."""
SETTLE_TIME = 1.0
"""Seconds after which the server has sent all messages about a failure."""


@dataclass(frozen=True, slots=True)
class FailureTimes:
    """Effects of one or several simultaneous failures."""

    backend: str
    dead: int
    first: float
    """Seconds from kill -9 until the first survivor was notified of one failure."""
    last: float
    """Seconds until the last survivor was notified of all failures."""
    sent: int
    """Bytes that the server sent in the meantime, including keepalives."""

    def row(self) -> list[str]:
        """Return the row of a table."""
        spread = f"{(self.last - self.first) * 1000:.0f} ms"
        return [
            self.backend,
            str(self.dead),
            f"{self.first:.2f} s",
            f"{self.last:.2f} s",
            spread,
            f"{self.sent / 1000:.0f} kB",
        ]


class Driver:
    """One process with the sessions of some nodes."""

    def __init__(self, store: Served, nodes: Sequence[int]) -> None:
        message = {
            "backend": store.backend,
            "hosts": store.hosts.split(","),
            "nodes": list(nodes),
            "total": TOTAL,
        }
        command = [sys.executable, "-m", "tests.benchmark.stores.sessions"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.write(message)

    def write(self, message: object) -> None:
        """Send one line."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(message) + "\n")
        self._child.stdin.flush()

    def read(self) -> str:
        """Wait for one line."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline().strip()
        assert line, "the driver has exited"
        return line

    def kill(self) -> None:
        """Kill it with SIGKILL, and reap it."""
        self._child.kill()
        self._child.wait()


@contextmanager
def _running(store: Served, nodes: Sequence[int]) -> Iterator[Driver]:
    driver = Driver(store, nodes)
    try:
        yield driver
    finally:
        driver.kill()


def deaths(store: Served) -> list[FailureTimes]:
    """Kill one of 300 nodes, then 30 at the same time."""
    with ExitStack() as stack:
        drivers = []
        for nodes in (SINGLE, GROUP, *SURVIVORS):  # one after the other, to limit the notifications
            drivers.append(stack.enter_context(_running(store, nodes)))
            assert drivers[-1].read() == "registered"
        for driver in drivers:
            assert driver.read() == "complete"
        single, group, *others = drivers
        return [
            _kill_group(store, single, len(SINGLE), [name(node) for node in SINGLE], others),
            _kill_group(store, group, len(GROUP), [name(node) for node in GROUP], others),
        ]


def _kill_group(
    store: Served, victim: Driver, dead: int, names: list[str], others: list[Driver]
) -> FailureTimes:
    time.sleep(SETTLE_TIME)
    before, died = _sent(store.port), time.monotonic()
    victim.kill()
    for driver in others:
        driver.write(names)
    notified = [json.loads(driver.read()) for driver in others]
    time.sleep(SETTLE_TIME)
    sent = sum(number - before.get(peer, 0) for peer, number in _sent(store.port).items())
    return FailureTimes(
        store.backend,
        dead,
        min(first for first, _ in notified) - died,
        max(last for _, last in notified) - died,
        sent,
    )


def _sent(port: int) -> dict[str, int]:
    """Return the bytes that a server has sent on each connection, by client address."""
    output = subprocess.run(
        ["ss", "-tinHO", "state", "established", f"sport = :{port}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = (line.split() for line in output.splitlines())
    return {words[3]: sum(int(w[11:]) for w in words if w.startswith("bytes_sent:")) for words in lines}
