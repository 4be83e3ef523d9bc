"""Writes docs/stores.md's tables: all of them, or those that are named."""

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
from tests.benchmark.stores.suite import passed
from tests.benchmark.stores.takeover import take_overs
from tests.markdown import table

TAKEOVER = ["store", "session's life", "kill -9 → announced", "deregistered → announced", "p99 of 200"]
IDLE = ["store", "memory", "threads", "CPU of 60 s", "keep-alives", "other requests"]
MANY = ["store", "services", "threads", "memory", "CPU until registered", "CPU of 60 s"]
CROWD = ["store", "die", "first survivor knows", "last one knows", "between them", "server sent"]


def write_options(_folder: Path) -> None:
    """Each store's options."""
    for group in KINDS:
        page.write(f"options {group}", options(group))


def write_idle(folder: Path) -> None:
    """What an idle agent costs."""
    with ExitStack() as stack:
        stores = [stack.enter_context(serve(folder)) for serve in served.ALL]
        rows = [measured.row() for measured in idle(folder, stores)]
    page.write("idle", f"{table(IDLE, rows)}\n\n{page.conditions()}")


def write_many(folder: Path) -> None:
    """What a session with many services costs."""
    rows = []
    for serve in served.ALL:
        with serve(folder) as store:
            rows += [measured.row() for measured in costs(store)]
    page.write("many", f"{table(MANY, rows)}\n\n{page.conditions()}")


def write_takeover(folder: Path) -> None:
    """How long takeovers need."""
    rows = []
    for serve in served.ALL:
        with serve(folder) as store:
            rows.append(take_overs(folder, store).row(store))
    page.write("takeover", f"{table(TAKEOVER, rows)}\n\n{page.conditions()}")


def write_crowd(folder: Path) -> None:
    """What 300 agents in one service mean."""
    rows = []
    for serve in (served.zookeeper, served.etcd):
        with serve(folder) as store:
            rows += [measured.row() for measured in deaths(store)]
    page.write("crowd", f"{table(CROWD, rows)}\n\n{page.conditions()}")


def write_suite(folder: Path) -> None:
    """Which test of the contract suite passed where: some ten minutes."""
    page.write("suite", passed(folder))


TABLES: Mapping[str, Callable[[Path], None]] = {
    "options": write_options,
    "takeover": write_takeover,
    "idle": write_idle,
    "many": write_many,
    "crowd": write_crowd,
    "suite": write_suite,
}


def main() -> None:
    """Write what is asked for."""
    wanted = sys.argv[1:] or list(TABLES)
    if unknown := set(wanted) - set(TABLES):
        sys.exit(f"no table {', '.join(sorted(unknown))}: there are {', '.join(TABLES)}")
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            TABLES[name](Path(folder))


if __name__ == "__main__":
    main()
