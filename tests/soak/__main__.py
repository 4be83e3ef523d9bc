"""Run the load of a day, or a part of it, and print the agent's resources after each hour."""

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
    load = vars(options.parse_args())
    hours = load.pop("hours")
    measurements: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as running_site:
        day = Day(running_site, Load(**load), hours)
        for figures in day.hours():
            measurements.append(figures)
            print(table([figures]).splitlines()[-1], flush=True)
        warnings, expected = running_site.log.warnings, day.expected_warnings()
    print(table(measurements))
    print(
        f"warnings: {dict(warnings)}; unexpected: {dict(warnings - expected)}; "
        f"missing: {dict(expected - warnings)}"
    )


if __name__ == "__main__":
    main()
