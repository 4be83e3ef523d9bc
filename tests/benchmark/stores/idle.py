"""Measure the resources of an idle agent, and its requests to the store."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmark.program import Program
from tests.benchmark.stores.requests import Requests, count
from tests.benchmark.stores.served import Served, agent, vip
from tests.benchmark.stores.tap import Tap

SECONDS = 60.0
WARM_UP = 10.0


@dataclass(frozen=True, slots=True)
class Idle:
    """Measurement of one of three agents, over `SECONDS`."""

    backend: str
    megabytes: float
    threads: int
    cpu: float
    """CPU seconds."""
    requests: Requests | None

    def row(self) -> list[str]:
        """Return the row of a table."""
        load = ["", ""]
        if self.requests is not None:
            load = [
                f"{number / SECONDS:.2f}/s" for number in (self.requests.keepalives, self.requests.others)
            ]
        return [self.backend, f"{self.megabytes:.1f} MB", str(self.threads), f"{self.cpu:.2f} s", *load]


def idle(folder: Path, stores: list[Served]) -> list[Idle]:
    """Measure one agent per store, all at the same time."""
    with ExitStack() as stack:
        measured = [(store, *stack.enter_context(_start_measured(folder, store))) for store in stores]
        time.sleep(WARM_UP)
        before = [(program.cpu(), _count_requests(store, tap)) for store, program, tap in measured]
        time.sleep(SECONDS)
        return [
            Idle(
                store.backend,
                program.resident(),
                program.threads(),
                program.cpu() - cpu,
                None if tap is None else _count_requests(store, tap) - requests_before,
            )
            for (store, program, tap), (cpu, requests_before) in zip(measured, before, strict=True)
        ]


@contextmanager
def _start_measured(folder: Path, store: Served) -> Iterator[tuple[Program, Tap | None]]:
    """Run three agents with default settings, the measured one through a tap if the store has a server."""
    with ExitStack() as stack:
        others = [stack.enter_context(agent(folder, store, node)) for node in (2, 3)]
        for node, other in enumerate(others, 2):
            other.wait_for(f"announce route {vip(node)}", 0.0)
        tap = Tap(store.port) if store.port else None
        if tap is not None:
            stack.callback(tap.close)
        measured = stack.enter_context(agent(folder, store, 1, hosts=tap.address if tap else ""))
        measured.wait_for(f"announce route {vip(1)}", 0.0)
        yield measured, tap


def _count_requests(store: Served, tap: Tap | None) -> Requests:
    return count(store.backend, tap.sent() if tap else [])
