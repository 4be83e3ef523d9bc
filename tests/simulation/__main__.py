"""Search for violations: `python -m tests.simulation --seeds 10000 --faults 100`."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import click

from tests.simulation.run import run

PROGRESS_INTERVAL = 30.0
"""Seconds between two progress messages on standard error."""


@click.command()
@click.option("--seeds", default=1000, show_default=True, help="Number of runs.")
@click.option("--faults", default=100, show_default=True, help="Number of faults per run.")
@click.option("--first", default=0, show_default=True, help="First seed; the others are consecutive.")
@click.option("--processes", default=1, show_default=True, help="Number of parallel processes.")
def main(seeds: int, faults: int, first: int, processes: int) -> None:
    """Simulate clusters with random faults and print each violation with its seed and timeline."""
    started, failed = time.monotonic(), 0
    last_progress = started
    with ProcessPoolExecutor(processes) as pool:
        chunk = max(1, min(50, seeds // processes // 4))
        outcomes = pool.map(partial(run, faults=faults), range(first, first + seeds), chunksize=chunk)
        for done, failure in enumerate(outcomes, 1):
            if failure:
                failed += 1
                click.echo(f"{failure}\n")
            if time.monotonic() >= last_progress + PROGRESS_INTERVAL and done < seeds:
                last_progress = time.monotonic()
                rest = f"--first {first + done} --seeds {seeds - done}"
                click.echo(
                    f"{done} seeds, {failed} failures, {last_progress - started:.0f} s; remaining: {rest}",
                    err=True,
                )
    seconds = time.monotonic() - started
    click.echo(f"{seeds} seeds, {seeds * faults} faults, {failed} failures, {seconds:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
