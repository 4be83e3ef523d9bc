"""Measures everything and writes README's table."""

import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.benchmark.measures import cpu, detection, memory, web_server
from tests.benchmark.reaction import take_overs

README = Path(__file__).parents[2] / "README.md"
START, END = "<!-- benchmark -->", "<!-- /benchmark -->"


def rows(folder: Path) -> list[tuple[str, str, str]]:
    """Measure, and return a row for each figure: what, the agent's, healthcheck's."""
    table = []
    for services in (1, 3, 50):
        mine, theirs = memory(folder, services)
        table.append(
            (f"memory, {services} service{'s'[: services > 1]}", f"{mine:.1f} MB", f"{theirs:.1f} MB")
        )
    mine, theirs = cpu(folder, "true", "command", "true")
    table.append(("CPU of 60 s of checking every second, a command", f"{mine:.2f} s", f"{theirs:.2f} s"))
    with web_server() as url:
        mine, theirs = cpu(folder, url, "check", f"curl -sf {url}")
    table.append(("the same by HTTP (healthcheck: `curl -sf`)", f"{mine:.2f} s", f"{theirs:.2f} s"))
    mine, theirs = detection(folder)
    what = "from a failing service to the withdrawal (every 1 s, fast 0.5 s, fall 2), median"
    table.append((what, f"{mine:.2f} s", f"{theirs:.2f} s"))
    median, worst = take_overs(folder)
    what = "from ZooKeeper's event to the announcement, median and p99 of 500 take-overs"
    table.append((what, f"{median * 1000:.1f} ms, {worst * 1000:.1f} ms", ""))
    return table


def main() -> None:
    """Write the table into README."""
    with tempfile.TemporaryDirectory() as folder:
        table = rows(Path(folder))
    lines = [f"| | vipagent | `python -m exabgp healthcheck` {version('exabgp')} |", "| --- | --- | --- |"]
    lines += [f"| {what} | {mine} | {theirs} |" for what, mine, theirs in table]
    text = README.read_text()
    before, after = text.split(START)[0], text.split(END)[1]
    README.write_text("\n".join([before + START, *lines, END + after]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
