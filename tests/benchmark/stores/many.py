"""Measure threads, memory and CPU of a session with many services.

`python -m tests.benchmark.stores.many BACKEND HOSTS SERVICES` runs such a session: it connects, registers and
watches like an agent, waits until no more events arrive, and prints its resources as JSON.
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
SETTLE_TIME = 3.0
"""Seconds without events after which the session is idle."""
IDLE = 60.0
READY_TIMEOUT = 300.0
SESSION_TIMEOUT = 6.0
VIP = "10.20.255.1"


@dataclass(frozen=True, slots=True)
class Cost:
    """Resources of one session."""

    backend: str
    services: int
    threads: int
    """All threads of the process, including the main thread."""
    megabytes: float
    ready: float
    """CPU seconds until all services are registered and the session is idle."""
    idle: float
    """CPU seconds in an idle minute."""

    def row(self) -> list[str]:
        """Return the row of a table."""
        figures = [f"{self.megabytes:.1f} MB", f"{self.ready:.2f} s", f"{self.idle:.2f} s"]
        return [self.backend, str(self.services), str(self.threads), *figures]


class RegistrationListener:
    """Records the registered services, and the time of the last event."""

    def __init__(self) -> None:
        self.registered: set[str] = set()
        self.last_event_at = time.monotonic()

    def session(self, state: StoreState, detail: str) -> None:
        """Record the time of an event."""
        self.last_event_at = time.monotonic()

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Record the services with a member."""
        self.last_event_at = time.monotonic()
        entry = entries.get(VIP)
        if directory.kind is Kind.MEMBERS and entry is not None and entry.claim is Claim.OURS:
            self.registered.add(directory.service)


def cost(backend: str, hosts: str, services: int) -> Cost:
    """Run a session with a number of services; return its resources."""
    listener = RegistrationListener()
    settings = StoreSettings("node1", "run1", (hosts,), f"/many{services}", session_timeout=SESSION_TIMEOUT)
    session = load(backend)(settings, listener)
    before = time.process_time()
    session.open()
    record = NodeState("node1", "up").dump()
    for number in range(services):
        name = f"service{number}"
        session.watch(Directory(Kind.MEMBERS, name), frozenset({VIP}))
        session.watch(Directory(Kind.MAINTENANCE, name), frozenset({"node1", WHOLE_SERVICE}))
        session.register(Key(Directory(Kind.MEMBERS, name), VIP), Registration("node1", "run1").dump())
        session.register(Key(Directory(Kind.STATES, name), "node1"), record)
    deadline = time.monotonic() + READY_TIMEOUT
    while len(listener.registered) < services or time.monotonic() < listener.last_event_at + SETTLE_TIME:
        assert time.monotonic() < deadline, f"{len(listener.registered)} of {services} are registered"
        time.sleep(0.1)
    ready = time.process_time()
    time.sleep(IDLE)
    result = Cost(
        backend,
        services,
        threading.active_count(),
        _resident(),
        ready - before,
        time.process_time() - ready,
    )
    session.close(5.0)
    return result


def costs(store: Served) -> list[Cost]:
    """Return the resources of sessions with one, some and many services, measured at the same time."""
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
    """Print the resources of one session."""
    result = cost(backend, hosts, int(services))
    print(json.dumps({field: getattr(result, field) for field in Cost.__slots__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
