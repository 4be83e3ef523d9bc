"""The mutant that must be found in every run, independent of the sample."""

from collections.abc import Iterable

from tests.mutants.listing import REMOVAL, ROOT, Mutant

PATH = "vipagent/engine/conversation.py"
STATEMENT = "self.commands.neighbor_up(now)"
"""Resends all commands after a neighbour came up; without it, stale routes of ExaBGP stay (A6)."""


def chosen(mutants: Iterable[Mutant]) -> Mutant:
    """Return the mutant without the statement."""
    lines = (ROOT / PATH).read_text().splitlines()
    removed = (mutant for mutant in mutants if (mutant.path, mutant.operator) == (PATH, REMOVAL))
    return next(mutant for mutant in removed if lines[mutant.start[0] - 1].strip() == STATEMENT)
