"""Runs a whole day, or a part of one, and prints the agent's resources after each hour."""

import argparse
import tempfile
from pathlib import Path

from tests.soak.day import Day, Load
from tests.soak.figures import Figures, table
from tests.soak.site import site


def main() -> None:
    """Print a table, and unexpected warnings."""
    options = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    full = Load()
    options.add_argument("--results", type=int, default=full.results, help="minimum number of check results")
    options.add_argument("--takeovers", type=int, default=full.takeovers)
    options.add_argument("--reconnections", type=int, default=full.reconnections)
    options.add_argument("--reloads", type=int, default=full.reloads)
    options.add_argument("--hours", type=int, default=24)
    arguments = vars(options.parse_args())
    hours = arguments.pop("hours")
    lived: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as place:
        day = Day(place, Load(**arguments), hours)
        for figures in day.hours():
            lived.append(figures)
            print(table([figures]).splitlines()[-1], flush=True)
        counted, caused = place.diary.warnings, day.caused()
    print(table(lived))
    print(
        f"warnings: {dict(counted)}; unexpected: {dict(counted - caused)}; missing: {dict(caused - counted)}"
    )


if __name__ == "__main__":
    main()
