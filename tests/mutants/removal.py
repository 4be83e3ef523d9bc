"""A mutation that Cosmic Ray lacks: the deletion of a statement with a side effect."""

from collections.abc import Iterator
from typing import Any

Position = tuple[int, int]
"""A line, from 1, and a column, from 0."""
UNREACHABLE = "assert_never"
EFFECTS = ("atom_expr", "power", "expr_stmt", "del_stmt", "yield_expr")
"""Kinds of statements: calls, assignments, deletions and `yield`."""


class RemoveStatement:
    """Replace a call, an assignment to an attribute or an item, a `del` or a `yield` by `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Position, Position]]:
        """Yield the range of `node` if it is such a statement."""
        if _has_effect(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return `pass` as the replacement."""
        from parso.python.tree import Keyword  # noqa: PLC0415 - Cosmic Ray must import parso first

        assert index == 0
        return Keyword("pass", node.start_pos, node.get_first_leaf().prefix)


def _has_effect(node: Any) -> bool:
    if node.parent is None or node.parent.type != "simple_stmt" or node.type not in EFFECTS:
        return False
    first = node.children[0]
    if node.type == "expr_stmt":  # local names are needed by the rest of the function
        return first.type in ("atom_expr", "power")
    return getattr(first, "value", None) != UNREACHABLE
