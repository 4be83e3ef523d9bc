"""A mutation that Cosmic Ray lacks: a statement that is there for its effect is deleted."""

from collections.abc import Iterator
from typing import Any

Position = tuple[int, int]
"""A line, from 1, and a column, from 0."""
UNREACHABLE = "assert_never"
EFFECTS = ("atom_expr", "power", "expr_stmt", "del_stmt", "yield_expr")
"""Kinds of statements: calls, assignments, deletions, what a generator yields."""


class RemoveStatement:
    """Replace a call, an assignment to an attribute or an item, a `del` or a `yield` by `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Position, Position]]:
        """Yield where the statement is, if `node` is one."""
        if _has_effect(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return `pass` in the place of the statement."""
        from parso.python.tree import Keyword  # noqa: PLC0415 - parso has to be imported by Cosmic Ray first

        assert index == 0
        return Keyword("pass", node.start_pos, node.get_first_leaf().prefix)


def _has_effect(node: Any) -> bool:
    if node.parent is None or node.parent.type != "simple_stmt" or node.type not in EFFECTS:
        return False
    first = node.children[0]
    if node.type == "expr_stmt":  # without a local name, the rest of the function could not even run
        return first.type in ("atom_expr", "power")
    return getattr(first, "value", None) != UNREACHABLE
