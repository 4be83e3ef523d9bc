"""Count lines of code: without blank lines, comments and docstrings.

python -m tests.lines
"""

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYOUT = frozenset(
    {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    | {tokenize.ENDMARKER}
)
"""Tokens that do not count as code."""
PRODUCT = ("vipagent", "backends")
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
"""Maximum physical lines of the product's files and functions."""
TESTING = "vipagent/testing"
STORE_LAYER_WITHOUT = ("records.py", "plugins.py", "access.py", "options.py")
"""Modules of `vipagent/store` that are not the store layer itself: records, plug-ins and options."""


def code_lines(source: str) -> int:
    """Return the number of lines with code in a Python source."""
    used: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            used.update(range(token.start[0], token.end[0] + 1))
    return len(used - set(_docstring_lines(source)))


def _docstring_lines(source: str) -> Iterator[int]:
    """Yield the lines of docstrings: of modules, classes, functions and attributes."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(ast.Constant(str()), end_lineno=int(end)):
                yield from range(node.lineno, end + 1)


def counted(files: Iterable[Path]) -> int:
    """Return the total code lines of the files."""
    return sum(code_lines(file.read_text()) for file in files)


def packages(root: Path = ROOT) -> dict[str, int]:
    """Return the code lines of each package of the product, without subpackages, by its path."""
    found: dict[str, int] = {}
    for file in sorted(file for top in PRODUCT for file in (root / top).rglob("*.py")):
        package = file.parent.relative_to(root).as_posix()
        found[package] = found.get(package, 0) + counted([file])
    return found


def totals(root: Path = ROOT) -> dict[str, int]:
    """Return the code lines of the product, and of its parts that have a limit."""
    by_package = packages(root)
    store = [file for file in (root / "vipagent/store").glob("*.py") if file.name not in STORE_LAYER_WITHOUT]
    return {
        "product without vipagent/testing": sum(
            lines for package, lines in by_package.items() if not f"{package}/".startswith(f"{TESTING}/")
        ),
        "vipagent/store without records, plug-ins and options": counted(store),
        **{path: lines for path, lines in by_package.items() if path.startswith("backends/")},
        "docs/example-backend": counted((root / "docs/example-backend").rglob("*.py")),
    }


def drivers(root: Path = ROOT) -> dict[str, int]:
    """Return the physical lines of each `driver.py` of a backend, by its path."""
    return {
        file.relative_to(root).as_posix(): len(file.read_text().splitlines())
        for file in sorted((root / "backends").glob("*/driver.py"))
    }


def overlong(root: Path = ROOT) -> list[str]:
    """Return the files and functions of the product that are too long, each with its lines."""
    return [
        f"{file.relative_to(root)}: {name}: {lines} lines"
        for top in PRODUCT
        for file in sorted((root / top).rglob("*.py"))
        for name, lines, most in _lengths(file.read_text())
        if lines > most
    ]


def _lengths(source: str) -> Iterator[tuple[str, int, int]]:
    """Yield the file and each function: its name, its lines, and how many it may have."""
    yield "file", len(source.splitlines()), LONGEST_FILE
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.FunctionDef(name=name, end_lineno=int(end))
                | ast.AsyncFunctionDef(name=name, end_lineno=int(end))
            ):
                yield name, end - node.lineno + 1, LONGEST_FUNCTION


def main() -> None:
    """Print all of it."""
    for title, counts in {
        "Code lines by package": packages(),
        "Code lines in all": totals(),
        "Physical lines of drivers": drivers(),
    }.items():
        print(title)
        for name, lines in counts.items():
            print(f"{lines:7,}  {name}")


if __name__ == "__main__":
    main()
