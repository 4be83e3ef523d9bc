"""One word for one thing, one thing for one word: names of classes and of constants."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

CLASSES: dict[str, str] = {}
"""The names that several classes may have, and why."""
CONSTANTS = {
    "DEFAULT_HOSTS": "each store's client has its own",
    "DEFAULT_PORT": "each store's client has its own",
}
"""The names that may have several values, and why."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for source in ("vipagent", "backends"):
        for path in sorted((ROOT / source).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def constants(module: ast.Module) -> Iterator[tuple[str, str]]:
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value):
                pass
            case _:
                continue
        if name.isupper():
            yield name, ast.unparse(value)


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path, module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1 and name not in CLASSES} == {}
    assert {name for name in CLASSES if len(places[name]) < 2} == set(), "no longer needed"


def test_no_constant_has_two_meanings() -> None:
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for path, module in modules():
        for name, value in constants(module):
            values[name][path] = value
    several = {name: places for name, places in values.items() if len(set(places.values())) > 1}
    assert {name: places for name, places in several.items() if name not in CONSTANTS} == {}
    assert set(CONSTANTS) <= set(several), "no longer needed"
