"""Search for a broken rule: `python -m tests.simulation --seeds 10000 --faults 100`."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import click

from tests.simulation.run import run

PROGRESS = 30.0
"""Seconds between two lines, on standard error, that tell how far it has got."""


@click.command()
@click.option("--seeds", default=1000, show_default=True, help="How many runs.")
@click.option("--faults", default=100, show_default=True, help="How many faults in each.")
@click.option("--first", default=0, show_default=True, help="The first seed; the others follow.")
@click.option("--processes", default=1, show_default=True, help="How many runs side by side.")
def main(seeds: int, faults: int, first: int, processes: int) -> None:
    """Run simulated clusters under random faults; every broken rule is told with its seed and timeline."""
    started, failed = time.monotonic(), 0
    told = started
    with ProcessPoolExecutor(processes) as pool:
        chunk = max(1, min(50, seeds // processes // 4))
        outcomes = pool.map(partial(run, faults=faults), range(first, first + seeds), chunksize=chunk)
        for done, failure in enumerate(outcomes, 1):
            if failure:
                failed += 1
                click.echo(f"{failure}\n")
            if time.monotonic() >= told + PROGRESS and done < seeds:
                told = time.monotonic()
                rest = f"--first {first + done} --seeds {seeds - done}"
                click.echo(
                    f"{done} seeds, {failed} failures, {told - started:.0f} s; the rest: {rest}", err=True
                )
    seconds = time.monotonic() - started
    click.echo(f"{seeds} seeds, {seeds * faults} faults, {failed} failures, {seconds:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
