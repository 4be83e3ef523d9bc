"""300 agents in one service: some die, and all the others are told."""

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
"""Who dies first, and who next."""
TOTAL = 300
SURVIVORS = [range(first, min(first + 45, TOTAL)) for first in range(31, TOTAL, 45)]
"""The others, some in each process."""
QUIET = 1.0
"""Seconds after which all that follows from a death has been sent."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What one death, or several at once, meant to the others."""

    backend: str
    dead: int
    first: float
    """Seconds from kill -9 until the first survivor knew of somebody."""
    last: float
    """Seconds until the last survivor knew of everybody."""
    sent: int
    """Bytes that the server sent in the meantime, keep-alives included."""

    def row(self) -> list[str]:
        """Return the row of a table."""
        told = f"{(self.last - self.first) * 1000:.0f} ms"
        return [
            self.backend,
            str(self.dead),
            f"{self.first:.2f} s",
            f"{self.last:.2f} s",
            told,
            f"{self.sent / 1000:.0f} kB",
        ]


class Driver:
    """One process with the sessions of some nodes."""

    def __init__(self, store: Served, nodes: Sequence[int]) -> None:
        order = {
            "backend": store.backend,
            "hosts": store.hosts.split(","),
            "nodes": list(nodes),
            "total": TOTAL,
        }
        command = [sys.executable, "-m", "tests.benchmark.stores.sessions"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.tell(order)

    def tell(self, order: object) -> None:
        """Send one line."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()

    def hear(self) -> str:
        """Wait for one line."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline().strip()
        assert line, "the driver has ended"
        return line

    def kill(self) -> None:
        """`kill -9`, and reap."""
        self._child.kill()
        self._child.wait()


@contextmanager
def _running(store: Served, nodes: Sequence[int]) -> Iterator[Driver]:
    driver = Driver(store, nodes)
    try:
        yield driver
    finally:
        driver.kill()


def deaths(store: Served) -> list[Crowd]:
    """Kill one of 300, then 30 at once."""
    with ExitStack() as stack:
        drivers = []
        for nodes in (SINGLE, GROUP, *SURVIVORS):  # one after the other: 300 at once would tell each other
            drivers.append(stack.enter_context(_running(store, nodes)))
            assert drivers[-1].hear() == "registered"
        for driver in drivers:
            assert driver.hear() == "complete"
        single, group, *others = drivers
        return [
            _die(store, single, len(SINGLE), [name(node) for node in SINGLE], others),
            _die(store, group, len(GROUP), [name(node) for node in GROUP], others),
        ]


def _die(store: Served, victim: Driver, dead: int, names: list[str], others: list[Driver]) -> Crowd:
    time.sleep(QUIET)
    before, died = _sent(store.port), time.monotonic()
    victim.kill()
    for driver in others:
        driver.tell(names)
    known = [json.loads(driver.hear()) for driver in others]
    time.sleep(QUIET)
    sent = sum(number - before.get(peer, 0) for peer, number in _sent(store.port).items())
    return Crowd(
        store.backend,
        dead,
        min(first for first, _ in known) - died,
        max(last for _, last in known) - died,
        sent,
    )


def _sent(port: int) -> dict[str, int]:
    """Return the bytes that a server has sent on each of its connections, by the client's address."""
    said = subprocess.run(
        ["ss", "-tinHO", "state", "established", f"sport = :{port}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = (line.split() for line in said.splitlines())
    return {words[3]: sum(int(w[11:]) for w in words if w.startswith("bytes_sent:")) for words in lines}
