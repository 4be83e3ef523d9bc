"""List and sample mutants: the sample depends on the seed and on the text of the changed lines only."""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.mutants.removal import Position, RemoveStatement

ROOT = Path(__file__).parents[2]
MUTATED = (
    "vipagent/core/*.py",
    "vipagent/engine/*.py",
    "vipagent/exabgp/*.py",
    "vipagent/store/registration.py",
    "vipagent/store/reconciler.py",
    "vipagent/store/session.py",
)
REMOVAL = "tests/RemoveStatement"
NUMERIC_OPERATORS = frozenset({"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"})
SET_OPERATORS = frozenset({"Sub", "BitOr", "BitAnd", "BitXor", "LShift", "RShift"})
"""Binary operators that may replace each other; others would only cause type errors."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    path: str
    operator: str
    occurrence: int
    """Index of the operator's place in the file, from 0."""
    start: Position
    end: Position
    key: str
    """Key that does not change with other lines."""

    def source(self, original: str) -> str:
        """Return the file with the change.

        Raises:
            ValueError: the operator does not apply at that place.
        """
        changed = mutate_code(original, operators()[self.operator], self.occurrence)
        if changed is None:
            raise ValueError(f"{self}: the operator does not apply here")
        return str(changed)

    def rank(self, seed: int) -> str:
        """Return the sort key for the sample."""
        return hashlib.sha256(f"{seed} {self.key}".encode()).hexdigest()


def operators() -> dict[str, Any]:
    """Return Cosmic Ray's operators without arguments, and our own, by name."""
    classes = {name: get_operator(name) for name in operator_names() if _may_survive(name)}
    found: dict[str, Any] = {name: kind() for name, kind in classes.items() if not kind.arguments()}
    return {**found, REMOVAL: RemoveStatement()}


def mutants(root: Path = ROOT) -> list[Mutant]:
    """Return all mutants of the files, except in types and in arguments of decorators."""
    return [
        mutant
        for pattern in MUTATED
        for file in sorted(root.glob(pattern))
        for mutant in _of_file(file.relative_to(root).as_posix(), file.read_text())
    ]


def sample(found: Iterable[Mutant], seed: int) -> list[Mutant]:
    """Return one mutant per place, in the order of the sample.

    One per place, because some operators create a dozen mutants of one comparison, and others only one.
    """
    places: dict[tuple[str, Position, Position], Mutant] = {}
    for mutant in sorted(found, key=lambda mutant: mutant.rank(seed)):
        places.setdefault((mutant.path, mutant.start, mutant.end), mutant)
    return list(places.values())


def _may_survive(operator: str) -> bool:
    """Return whether mutants of this operator may survive, without being equivalent.

    Excluded: binary operators for other types, and `==` for `is` (enumerations and None).
    """
    name, *operands = operator.split("_")
    if operands in (["Is", "Eq"], ["IsNot", "NotEq"]):
        return False
    return (
        name != "core/ReplaceBinaryOperator"
        or NUMERIC_OPERATORS.issuperset(operands)
        or SET_OPERATORS.issuperset(operands)
    )


def _of_file(path: str, source: str) -> Iterator[Mutant]:
    lines, declarations, seen = source.splitlines(), _declarations(source), Counter[str]()
    nodes = list(ast_nodes(get_ast(source)))
    for name, operator in operators().items():
        places = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if any(first <= start < last for first, last in declarations):
                continue
            text = f"{path} {name} {start[1]} {lines[start[0] - 1].strip()}"
            seen[text] += 1
            yield Mutant(path, name, occurrence, start, end, f"{text} {seen[text]}")


def _declarations(source: str) -> list[tuple[Position, Position]]:
    """Return start and end of all types and arguments of decorators."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.AnnAssign() | ast.arg():
                found.append(node.annotation)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.append(node.returns)
            case ast.ClassDef():
                for call in node.decorator_list:
                    found += [word.value for word in getattr(call, "keywords", ())]
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in found
        if node is not None
    ]
