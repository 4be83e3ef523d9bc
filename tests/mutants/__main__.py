"""Measure how many sampled mutants the pure tests detect: `python -m tests.mutants` (needs cosmic-ray)."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from textwrap import indent

import click

from tests.mutants.equivalent import reason
from tests.mutants.listing import Mutant, mutants, sample
from tests.mutants.required import required
from tests.mutants.trial import Outcome, Result, failing_stage, try_mutant

MIN_DETECTED = 0.9
"""Minimum share of detected mutants, including equivalent ones."""


@click.command()
@click.option("--count", default=100, show_default=True, help="Number of mutants, without the required one.")
@click.option("--seed", default=1, show_default=True, help="Seed of the sample.")
@click.option("--processes", default=1, show_default=True, help="Number of mutants in parallel.")
@click.option("--pick", multiple=True, type=int, help="Only this mutant of the sample; 0: the required one.")
def main(count: int, seed: int, processes: int, pick: tuple[int, ...]) -> None:
    """Change one place of the code at a time, and run the pure tests and 2,000 simulated faults.

    Fail if fewer than 90 % of the mutants are detected, or if the required one is not.
    """
    found = mutants()
    click.echo(f"{len(found)} mutants, {len(sample(found, seed))} places, seed {seed}")
    if stage := failing_stage():
        raise click.ClickException(f"the tests fail without a mutant: {stage}")
    always = required(found)
    candidates = [always, *sample(found, seed)]
    selected = [(number, mutant) for number, mutant in enumerate(candidates) if not pick or number in pick]
    results: list[Result] = []
    with ThreadPoolExecutor(processes) as pool:
        remaining = iter(selected)
        target = len(pick) or count + 1
        while missing := target - len(results):
            batch = list(islice(remaining, missing))
            if not batch:
                break
            results += [result for result in pool.map(_try, batch) if result.outcome is not Outcome.INVALID]
    _report(results, always)


def _try(selected: tuple[int, Mutant]) -> Result:
    number, mutant = selected
    result = try_mutant(mutant)
    place = f"{mutant.path}:{mutant.start[0]} {mutant.operator}"
    click.echo(f"{number:4} {result.outcome}{f' by {result.stage}' if result.stage else ''}: {place}")
    return result


def _report(results: list[Result], always: Mutant) -> None:
    """Print the survivors and the figures; exit with 1 if too few, or not the required one, were detected."""
    survivors = [result for result in results if result.outcome is Outcome.SURVIVED]
    equivalent = [result for result in survivors if reason(result.mutant)]
    for result in survivors:
        explanation = reason(result.mutant)
        click.echo(
            f"\n{f'Equivalent: {explanation}' if explanation else 'Survived:'}\n{indent(result.diff, '  ')}"
        )
    detectable = len(results) - len(equivalent)
    detected = len(results) - len(survivors)
    hung = sum(result.outcome is Outcome.TIMED_OUT for result in results)
    click.echo(
        f"{len(results)} mutants: {detected} detected ({hung} by a timeout), "
        f"{detectable - detected} survived, {len(equivalent)} equivalent; "
        f"{detected / len(results):.0%} detected, "
        f"{detected / max(detectable, 1):.0%} without the equivalent ones"
    )
    required_survived = any(result.mutant == always for result in survivors)
    sys.exit(0 if detected >= MIN_DETECTED * len(results) and not required_survived else 1)


if __name__ == "__main__":
    main()
