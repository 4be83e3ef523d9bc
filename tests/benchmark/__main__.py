"""Run all measurements and write the table of the README."""

import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.benchmark.measures import cpu, detection, memory, web_server
from tests.benchmark.reaction import takeovers
from tests.markdown import ROOT, Part, table

README_TABLE = Part(ROOT / "README.md", "benchmark")


def rows(folder: Path) -> list[tuple[str, str, str]]:
    """Run all measurements; return rows of label, agent and healthcheck."""
    table_rows = []
    for services in (1, 3, 50):
        of_agent, of_healthcheck = memory(folder, services)
        table_rows.append(
            (
                f"memory, {services} service{'s'[: services > 1]}",
                f"{of_agent:.1f} MB",
                f"{of_healthcheck:.1f} MB",
            )
        )
    of_agent, of_healthcheck = cpu(folder, "true", "command", "true")
    table_rows.append(
        ("CPU of 60 s of checking every second, a command", f"{of_agent:.2f} s", f"{of_healthcheck:.2f} s")
    )
    with web_server() as url:
        of_agent, of_healthcheck = cpu(folder, url, "check", f"curl -sf {url}")
    table_rows.append(
        ("the same by HTTP (healthcheck: `curl -sf`)", f"{of_agent:.2f} s", f"{of_healthcheck:.2f} s")
    )
    of_agent, of_healthcheck = detection(folder)
    label = "from a failing service to the withdrawal (every 1 s, fast 0.5 s, fall 2), median"
    table_rows.append((label, f"{of_agent:.2f} s", f"{of_healthcheck:.2f} s"))
    median, worst = takeovers(folder)
    label = "from ZooKeeper's event to the announcement, median and p99 of 500 take-overs"
    table_rows.append((label, f"{median * 1000:.1f} ms, {worst * 1000:.1f} ms", ""))
    return table_rows


def main() -> None:
    """Write the table into the README."""
    with tempfile.TemporaryDirectory() as folder:
        measured = rows(Path(folder))
    markdown = table(["", "vipagent", f"`python -m exabgp healthcheck` {version('exabgp')}"], measured)
    README_TABLE.write(markdown)
    print(markdown)


if __name__ == "__main__":
    main()
