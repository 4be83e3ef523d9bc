"""Test a sample of mutants, and report how many are found: `python -m tests.mutants` (needs cosmic-ray)."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from textwrap import indent

import click

from tests.mutants.chosen import chosen
from tests.mutants.equivalent import reason
from tests.mutants.listing import Mutant, mutants, sample
from tests.mutants.trial import Result, Verdict, try_mutant


@click.command()
@click.option(
    "--count", default=100, show_default=True, help="Number of mutants, in addition to the chosen one."
)
@click.option("--seed", default=1, show_default=True, help="Seed of the sample.")
@click.option("--processes", default=1, show_default=True, help="Number of mutants in parallel.")
@click.option("--pick", multiple=True, type=int, help="Only this element of the sample; 0 is the chosen one.")
def main(count: int, seed: int, processes: int, pick: tuple[int, ...]) -> None:
    """Change the code in one place at a time, and run the tests without I/O and 2,000 simulated faults.

    Fails if fewer than 90 % are found.
    """
    found = mutants()
    click.echo(f"{len(found)} mutants, {len(sample(found, seed))} places, seed {seed}")
    tried = [chosen(found), *sample(found, seed)]
    numbered = [(number, mutant) for number, mutant in enumerate(tried) if not pick or number in pick]
    results: list[Result] = []
    with ThreadPoolExecutor(processes) as pool:
        waiting = iter(numbered)
        wanted = len(pick) or count + 1
        while missing := wanted - len(results):
            batch = list(islice(waiting, missing))
            if not batch:
                break
            results += [result for result in pool.map(_try, batch) if result.verdict is not Verdict.INVALID]
    _summarize_and_exit(results)


def _try(numbered: tuple[int, Mutant]) -> Result:
    number, mutant = numbered
    result = try_mutant(mutant)
    place = f"{mutant.path}:{mutant.start[0]} {mutant.operator}"
    click.echo(f"{number:4} {result.verdict}{f' by {result.stage}' if result.stage else ''}: {place}")
    return result


def _summarize_and_exit(results: list[Result]) -> None:
    """Print the surviving mutants and the totals; exit with 1 if too few were found."""
    survivors = [result for result in results if result.verdict is Verdict.SURVIVED]
    equivalent = [result for result in survivors if reason(result.mutant)]
    for result in survivors:
        why = reason(result.mutant)
        click.echo(f"\n{f'Equivalent: {why}' if why else 'Survived:'}\n{indent(result.diff, '  ')}")
    able = len(results) - len(equivalent)
    killed = len(results) - len(survivors)
    hung = sum(result.verdict is Verdict.HUNG for result in results)
    click.echo(
        f"{len(results)} tried: {killed} found ({hung} of them hung), {able - killed} survived, "
        f"{len(equivalent)} equivalent; {killed / len(results):.0%} found, "
        f"{killed / max(able, 1):.0%} of those that can be"
    )
    sys.exit(0 if killed >= SUFFICIENT * len(results) else 1)


SUFFICIENT = 0.9
"""Minimum fraction of found mutants, with equivalent ones included in the total."""

if __name__ == "__main__":
    main()
