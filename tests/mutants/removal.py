"""A mutation operator that Cosmic Ray lacks: delete a statement with side effects."""

from collections.abc import Iterator
from typing import Any

Position = tuple[int, int]
"""A line, from 1, and a column, from 0."""
NEVER_REACHED = "assert_never"
STATEMENT_KINDS = ("atom_expr", "power", "expr_stmt", "del_stmt", "yield_expr")
"""Kinds of statements: calls, assignments, deletions and yields."""


class RemoveStatement:
    """Replace a call, an assignment to an attribute or an item, a `del` or a `yield` by `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Position, Position]]:
        """Yield start and end of the statement, if `node` is one."""
        if _has_effect(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return `pass` as replacement of the statement."""
        from parso.python.tree import Keyword  # noqa: PLC0415 - Cosmic Ray must import parso first

        assert index == 0
        return Keyword("pass", node.start_pos, node.get_first_leaf().prefix)


def _has_effect(node: Any) -> bool:
    if node.parent is None or node.parent.type != "simple_stmt" or node.type not in STATEMENT_KINDS:
        return False
    first = node.children[0]
    if node.type == "expr_stmt":  # without a local name, the rest of the function would always fail
        return first.type in ("atom_expr", "power")
    return getattr(first, "value", None) != NEVER_REACHED
