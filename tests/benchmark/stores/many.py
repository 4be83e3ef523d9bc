"""What a session costs that serves many services: threads, memory, CPU.

Run as a program it is such a session: `python -m tests.benchmark.stores.many BACKEND HOSTS SERVICES`
connects, registers and watches as an agent does, waits until it is quiet, and prints its figures as JSON.
"""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.benchmark.stores.served import Served
from vipagent.store.backend import Snapshot, StoreSettings
from vipagent.store.layout import WHOLE_SERVICE, Directory, Key, Kind
from vipagent.store.plugins import load
from vipagent.store.records import NodeState, Registration
from vipagent.types import Claim, StoreState

SERVICES = (1, 50, 500)
QUIET = 3.0
"""Seconds without news after which all is as it should be."""
IDLE = 60.0
READY_WITHIN = 300.0
LIFE = 6.0
VIP = "10.20.255.1"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one session needs."""

    backend: str
    services: int
    threads: int
    """All of the process, its main thread included."""
    megabytes: float
    ready: float
    """Seconds of CPU until all is registered and quiet."""
    idle: float
    """Seconds of CPU in an idle minute."""

    def row(self) -> list[str]:
        """Return the row of a table."""
        figures = [f"{self.megabytes:.1f} MB", f"{self.ready:.2f} s", f"{self.idle:.2f} s"]
        return [self.backend, str(self.services), str(self.threads), *figures]


class Seen:
    """A listener that knows which services are registered, and when it heard of something last."""

    def __init__(self) -> None:
        self.registered: set[str] = set()
        self.news = time.monotonic()

    def session(self, state: StoreState, detail: str) -> None:
        """Note that something was heard."""
        self.news = time.monotonic()

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Note which service has its member."""
        self.news = time.monotonic()
        entry = entries.get(VIP)
        if directory.kind is Kind.MEMBERS and entry is not None and entry.claim is Claim.OURS:
            self.registered.add(directory.service)


def cost(backend: str, hosts: str, services: int) -> Cost:
    """Have a session with so many services; return what it needs."""
    seen = Seen()
    settings = StoreSettings("node1", "run1", (hosts,), f"/many{services}", session_timeout=LIFE)
    session = load(backend)(settings, seen)
    before = time.process_time()
    session.open()
    record = NodeState("node1", "up").dump()
    for number in range(services):
        name = f"service{number}"
        session.watch(Directory(Kind.MEMBERS, name), frozenset({VIP}))
        session.watch(Directory(Kind.MAINTENANCE, name), frozenset({"node1", WHOLE_SERVICE}))
        session.register(Key(Directory(Kind.MEMBERS, name), VIP), Registration("node1", "run1").dump())
        session.register(Key(Directory(Kind.STATES, name), "node1"), record)
    deadline = time.monotonic() + READY_WITHIN
    while len(seen.registered) < services or time.monotonic() < seen.news + QUIET:
        assert time.monotonic() < deadline, f"{len(seen.registered)} of {services} are registered"
        time.sleep(0.1)
    ready = time.process_time()
    time.sleep(IDLE)
    found = Cost(
        backend,
        services,
        threading.active_count(),
        _resident(),
        ready - before,
        time.process_time() - ready,
    )
    session.close(5.0)
    return found


def costs(store: Served) -> list[Cost]:
    """Return what sessions with one, some and many services need, all in the same minute."""
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", __name__, store.backend, store.hosts, str(services)],
                    stdout=subprocess.PIPE,
                )
            )
            for services in SERVICES
        ]
        return [Cost(**json.loads(process.communicate()[0])) for process in running]


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(backend: str, hosts: str, services: str) -> None:
    """Print the figures of one session."""
    found = cost(backend, hosts, int(services))
    print(json.dumps({field: getattr(found, field) for field in Cost.__slots__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
