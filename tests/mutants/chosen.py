"""The mutant that has to be found, whatever the sample is."""

from collections.abc import Iterable

from tests.mutants.listing import REMOVAL, ROOT, Mutant

PATH = "vipagent/engine/conversation.py"
STATEMENT = "self.commands.neighbor_up(now)"
"""Everything is said again after a neighbour came up: without it, ExaBGP's ghosts stay (A6)."""


def chosen(mutants: Iterable[Mutant]) -> Mutant:
    """Return the mutant without the statement."""
    lines = (ROOT / PATH).read_text().splitlines()
    removed = (mutant for mutant in mutants if (mutant.path, mutant.operator) == (PATH, REMOVAL))
    return next(mutant for mutant in removed if lines[mutant.start[0] - 1].strip() == STATEMENT)
