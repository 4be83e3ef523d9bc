"""Measures everything and writes README's table."""

import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.benchmark.measures import cpu, detection, memory, web_server
from tests.benchmark.reaction import take_overs
from tests.markdown import ROOT, Part, table

PLACE = Part(ROOT / "README.md", "benchmark")


def rows(folder: Path) -> list[tuple[str, str, str]]:
    """Measure, and return a row for each figure: what, the agent's, healthcheck's."""
    found = []
    for services in (1, 3, 50):
        mine, theirs = memory(folder, services)
        found.append(
            (f"memory, {services} service{'s'[: services > 1]}", f"{mine:.1f} MB", f"{theirs:.1f} MB")
        )
    mine, theirs = cpu(folder, "true", "command", "true")
    found.append(("CPU of 60 s of checking every second, a command", f"{mine:.2f} s", f"{theirs:.2f} s"))
    with web_server() as url:
        mine, theirs = cpu(folder, url, "check", f"curl -sf {url}")
    found.append(("the same by HTTP (healthcheck: `curl -sf`)", f"{mine:.2f} s", f"{theirs:.2f} s"))
    mine, theirs = detection(folder)
    what = "from a failing service to the withdrawal (every 1 s, fast 0.5 s, fall 2), median"
    found.append((what, f"{mine:.2f} s", f"{theirs:.2f} s"))
    median, worst = take_overs(folder)
    what = "from ZooKeeper's event to the announcement, median and p99 of 500 take-overs"
    found.append((what, f"{median * 1000:.1f} ms, {worst * 1000:.1f} ms", ""))
    return found


def main() -> None:
    """Write the table into README."""
    with tempfile.TemporaryDirectory() as folder:
        measured = rows(Path(folder))
    written = table(["", "vipagent", f"`python -m exabgp healthcheck` {version('exabgp')}"], measured)
    PLACE.write(written)
    print(written)


if __name__ == "__main__":
    main()
