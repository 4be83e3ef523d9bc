"""List the mutants of the files, and sample them; the sample of a seed is stable if other lines change."""

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
NUMBERS = frozenset({"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"})
SETS_AND_BITS = frozenset({"Sub", "BitOr", "BitAnd", "BitXor", "LShift", "RShift"})
"""Binary operators that may replace each other; a mix of both sets raises `TypeError` in any test."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    path: str
    operator: str
    occurrence: int
    """Index of the changed place among those of the operator in the file."""
    start: Position
    end: Position
    identity: str
    """Identifier that does not depend on other lines."""

    def source(self, original: str) -> str:
        """Return the file with the change.

        Raises:
            ValueError: the operator has no such place.
        """
        changed = mutate_code(original, operators()[self.operator], self.occurrence)
        if changed is None:
            raise ValueError(f"{self}: no such place")
        return str(changed)

    def rank(self, seed: int) -> str:
        """Return the sort key of the sample."""
        return hashlib.sha256(f"{seed} {self.identity}".encode()).hexdigest()


def operators() -> dict[str, Any]:
    """Return Cosmic Ray's operators without arguments, and `RemoveStatement`, by name."""
    classes = {name: get_operator(name) for name in operator_names() if _may_survive(name)}
    found: dict[str, Any] = {name: kind() for name, kind in classes.items() if not kind.arguments()}
    return {**found, REMOVAL: RemoveStatement()}


def mutants(root: Path = ROOT) -> list[Mutant]:
    """Return all mutants of the files, except in declarations (types, arguments of decorators)."""
    return [
        mutant
        for pattern in MUTATED
        for file in sorted(root.glob(pattern))
        for mutant in _of_file(file.relative_to(root).as_posix(), file.read_text())
    ]


def sample(found: Iterable[Mutant], seed: int) -> list[Mutant]:
    """Return one mutant per place, in the order of the sample.

    Only one, because some operators have a dozen mutants of one comparison.
    """
    places: dict[tuple[str, Position, Position], Mutant] = {}
    for mutant in sorted(found, key=lambda mutant: mutant.rank(seed)):
        places.setdefault((mutant.path, mutant.start, mutant.end), mutant)
    return list(places.values())


def _may_survive(operator: str) -> bool:
    """Return whether a mutant of the operator can be neither trivial nor equivalent.

    Excludes binary operators for other types, and `is` replaced by `==`: the same for enums and None.
    """
    name, *operands = operator.split("_")
    if operands in (["Is", "Eq"], ["IsNot", "NotEq"]):
        return False
    return (
        name != "core/ReplaceBinaryOperator"
        or NUMBERS.issuperset(operands)
        or SETS_AND_BITS.issuperset(operands)
    )


def _of_file(path: str, source: str) -> Iterator[Mutant]:
    lines, declared, seen = source.splitlines(), _declarations(source), Counter[str]()
    nodes = list(ast_nodes(get_ast(source)))
    for name, operator in operators().items():
        places = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if any(first <= start < last for first, last in declared):
                continue
            text = f"{path} {name} {start[1]} {lines[start[0] - 1].strip()}"
            seen[text] += 1
            yield Mutant(path, name, occurrence, start, end, f"{text} {seen[text]}")


def _declarations(source: str) -> list[tuple[Position, Position]]:
    """Return the ranges of types and of arguments of decorators."""
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
