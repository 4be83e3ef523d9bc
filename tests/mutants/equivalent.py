"""Mutants that no test can find, because they do the same."""

from tests.mutants.listing import ROOT, Mutant

EQUIVALENT: dict[tuple[str, str, str], str] = {}
"""Why, for a path, an operator, and the line that it changes."""


def reason(mutant: Mutant) -> str:
    """Return why the mutant is equivalent; empty if it is not known to be."""
    line = (ROOT / mutant.path).read_text().splitlines()[mutant.start[0] - 1].strip()
    return EQUIVALENT.get((mutant.path, mutant.operator, line), "")
