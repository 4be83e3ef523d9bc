"""Sample mutants, and see how many the pure tests find: `python -m tests.mutants` (needs cosmic-ray)."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from textwrap import indent

import click

from tests.mutants.chosen import chosen
from tests.mutants.equivalent import reason
from tests.mutants.listing import Mutant, mutants, sample
from tests.mutants.trial import Fate, Result, try_mutant


@click.command()
@click.option("--count", default=100, show_default=True, help="How many mutants, besides the chosen one.")
@click.option("--seed", default=1, show_default=True, help="The seed of the sample.")
@click.option("--processes", default=1, show_default=True, help="How many mutants side by side.")
@click.option("--pick", multiple=True, type=int, help="Only this number of the sample; 0 is the chosen one.")
def main(count: int, seed: int, processes: int, pick: tuple[int, ...]) -> None:
    """Change the code in one place at a time, and run the pure tests and 2,000 simulated faults on it.

    Fails if fewer than 90 % are found, or if the chosen mutant is not.
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
            results += [result for result in pool.map(_try, batch) if result.fate is not Fate.INVALID]
    _conclude(results)


def _try(numbered: tuple[int, Mutant]) -> Result:
    number, mutant = numbered
    result = try_mutant(mutant)
    place = f"{mutant.path}:{mutant.start[0]} {mutant.operator}"
    click.echo(f"{number:4} {result.fate}{f' by {result.stage}' if result.stage else ''}: {place}")
    return result


def _conclude(results: list[Result]) -> None:
    """Print what survived and the figures; exit with 1 if that is too little."""
    survivors = [result for result in results if result.fate is Fate.SURVIVED]
    equivalent = [result for result in survivors if reason(result.mutant)]
    for result in survivors:
        why = reason(result.mutant)
        click.echo(f"\n{f'Equivalent: {why}' if why else 'Survived:'}\n{indent(result.diff, '  ')}")
    able = len(results) - len(equivalent)
    killed = len(results) - len(survivors)
    hung = sum(result.fate is Fate.HUNG for result in results)
    click.echo(
        f"{len(results)} tried: {killed} found ({hung} of them hung), {able - killed} survived, "
        f"{len(equivalent)} equivalent; {killed / len(results):.0%} found, "
        f"{killed / max(able, 1):.0%} of those that can be"
    )
    sys.exit(0 if killed >= SUFFICIENT * len(results) else 1)


SUFFICIENT = 0.9
"""The part of the mutants, equivalent ones included, that has to be found."""

if __name__ == "__main__":
    main()
