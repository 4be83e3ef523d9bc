"""Write the tables of docs/stores.md: all, or the named ones."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.benchmark.stores import page, served
from tests.benchmark.stores.crowd import deaths
from tests.benchmark.stores.idle import idle
from tests.benchmark.stores.many import costs
from tests.benchmark.stores.options import KINDS, options
from tests.benchmark.stores.suite import run_suite
from tests.benchmark.stores.takeover import takeovers
from tests.markdown import table

TAKEOVER = [
    "store",
    "session timeout",
    "kill -9 → announced",
    "deregistered → announced",
    "p99 of 200",
]
IDLE = ["store", "memory", "threads", "CPU of 60 s", "keepalives", "other requests"]
MANY = ["store", "services", "threads", "memory", "CPU until registered", "CPU of 60 s"]
CROWD = ["store", "die", "first survivor knows", "last one knows", "between them", "server sent"]


def write_options(_folder: Path) -> None:
    """Write the options of each store."""
    for group in KINDS:
        page.write(f"options {group}", options(group))


def write_idle(folder: Path) -> None:
    """Measure the resources of an idle agent."""
    with ExitStack() as stack:
        stores = [stack.enter_context(serve(folder)) for serve in served.ALL]
        rows = [result.row() for result in idle(folder, stores)]
    page.write("idle", f"{table(IDLE, rows)}\n\n{page.conditions()}")


def write_many(folder: Path) -> None:
    """Measure the resources of a session with many services."""
    rows = []
    for serve in served.ALL:
        with serve(folder) as store:
            rows += [result.row() for result in costs(store)]
    page.write("many", f"{table(MANY, rows)}\n\n{page.conditions()}")


def write_takeover(folder: Path) -> None:
    """Measure the duration of takeovers."""
    rows = []
    for serve in served.ALL:
        with serve(folder) as store:
            rows.append(takeovers(folder, store).row(store))
    page.write("takeover", f"{table(TAKEOVER, rows)}\n\n{page.conditions()}")


def write_crowd(folder: Path) -> None:
    """Measure failures in a service of 300 agents."""
    rows = []
    for serve in (served.zookeeper, served.etcd):
        with serve(folder) as store:
            rows += [result.row() for result in deaths(store)]
    page.write("crowd", f"{table(CROWD, rows)}\n\n{page.conditions()}")


def write_suite(folder: Path) -> None:
    """Run the contract suite with each store, about ten minutes."""
    page.write("suite", run_suite(folder))


TABLES: Mapping[str, Callable[[Path], None]] = {
    "options": write_options,
    "takeover": write_takeover,
    "idle": write_idle,
    "many": write_many,
    "crowd": write_crowd,
    "suite": write_suite,
}


def main() -> None:
    """Write the requested tables."""
    requested = sys.argv[1:] or list(TABLES)
    if unknown := set(requested) - set(TABLES):
        sys.exit(f"unknown table: {', '.join(sorted(unknown))}; available: {', '.join(TABLES)}")
    for name in requested:
        with tempfile.TemporaryDirectory() as folder:
            TABLES[name](Path(folder))


if __name__ == "__main__":
    main()
