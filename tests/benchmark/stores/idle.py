"""What an agent costs that has nothing to do, and what it asks of its store."""

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
    """One agent among three, over `SECONDS`."""

    backend: str
    megabytes: float
    threads: int
    cpu: float
    """Seconds."""
    requests: Requests | None

    def row(self) -> list[str]:
        """Return the row of a table."""
        load = ["", ""]
        if self.requests is not None:
            load = [f"{number / SECONDS:.2f}/s" for number in (self.requests.alive, self.requests.others)]
        return [self.backend, f"{self.megabytes:.1f} MB", str(self.threads), f"{self.cpu:.2f} s", *load]


def idle(folder: Path, stores: list[Served]) -> list[Idle]:
    """Measure an agent of each store, all in the same minute."""
    with ExitStack() as stack:
        watched = [(store, *stack.enter_context(_watched(folder, store))) for store in stores]
        time.sleep(WARM_UP)
        before = [(program.cpu(), _asked(store, tap)) for store, program, tap in watched]
        time.sleep(SECONDS)
        return [
            Idle(
                store.backend,
                program.resident(),
                program.threads(),
                program.cpu() - cpu,
                None if tap is None else _asked(store, tap) - asked,
            )
            for (store, program, tap), (cpu, asked) in zip(watched, before, strict=True)
        ]


@contextmanager
def _watched(folder: Path, store: Served) -> Iterator[tuple[Program, Tap | None]]:
    """Run an agent as it is by default, through a tap if there is a server, beside the two others."""
    with ExitStack() as stack:
        others = [stack.enter_context(agent(folder, store, node)) for node in (2, 3)]
        for node, other in enumerate(others, 2):
            other.wait_for(f"announce route {vip(node)}", 0.0)
        tap = Tap(store.port) if store.port else None
        if tap is not None:
            stack.callback(tap.close)
        watched = stack.enter_context(agent(folder, store, 1, hosts=tap.address if tap else ""))
        watched.wait_for(f"announce route {vip(1)}", 0.0)
        yield watched, tap


def _asked(store: Served, tap: Tap | None) -> Requests:
    return count(store.backend, tap.said() if tap else [])
