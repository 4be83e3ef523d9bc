"""Wrong answers of a simulated ExaBGP to a query of its table."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from tests.simulation.dialect import row
from tests.simulation.exabgp import ExaBGP


class Lie(StrEnum):
    """What is wrong with the table."""

    MISSING = "every other route is missing"
    EMPTY = "all routes are missing"
    STALE = "routes of an earlier time"
    FOREIGN = "additional routes"
    TRUNCATED = "the last line is cut"


def start(lie: Lie, exabgp: ExaBGP, prefixes: Sequence[str]) -> None:
    """Let ExaBGP's table be wrong.

    Args:
        lie: what is wrong.
        exabgp: the ExaBGP.
        prefixes: prefixes of additional routes.
    """
    neighbor, dialect = exabgp.neighbors[0], exabgp.dialect
    now = [row(neighbor, route, attributes, dialect) for route, attributes in neighbor.table.items()]
    more = [row(neighbor, prefix, "next-hop self med 4294967295", dialect) for prefix in prefixes]
    told: dict[Lie, Callable[[list[str]], list[str]]] = {
        Lie.MISSING: lambda rows: rows[::2],
        Lie.EMPTY: lambda _rows: [],
        Lie.STALE: lambda _rows: now,
        Lie.FOREIGN: lambda rows: rows + more,
        Lie.TRUNCATED: _cut,
    }
    exabgp.lie = told[lie]


def _cut(rows: list[str]) -> list[str]:
    return [*rows[:-1], *(line[: len(line) // 2] for line in rows[-1:])]
