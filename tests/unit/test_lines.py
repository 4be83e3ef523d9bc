"""Counting of lines of code."""

from pathlib import Path

from tests.lines import code_lines, drivers, overlong, totals

SOURCE = '''"""A module's
docstring."""

import os  # a line of code all the same

# a comment
LIMIT = 3
"""What it is."""
TEXT = """a value

of three lines"""


class Empty:
    """A docstring on one line."""


def path(
    name: str,
) -> str:
    """Return it."""
    return os.fspath(
        # why
        name
    )
'''


def test_blank_lines_comments_and_docstrings_are_not_counted() -> None:
    assert code_lines(SOURCE) == len(["import", "LIMIT"]) + 3 + len(["class"]) + 3 + 3
    assert code_lines("") == code_lines('"""Alone."""\n') == 0


def test_parts_with_a_size_limit(tmp_path: Path) -> None:
    files = {
        "vipagent/store/session.py": "A = 1\nB = 2\n",
        "vipagent/store/records.py": "A = 1\n",
        "vipagent/testing/contract.py": "A = 1\n",
        "vipagent/testing/deep/contract.py": "A = 1\n",
        "backends/vipagent_x/driver.py": '"""X."""\n\nA = 1\n',
        "docs/example-backend/y/driver.py": "A = 1\n",
    }
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    assert totals(tmp_path) == {
        "product without vipagent/testing": 4,
        "vipagent/store without records, plug-ins and options": 2,
        "backends/vipagent_x": 1,
        "docs/example-backend": 1,
    }
    assert drivers(tmp_path) == {"backends/vipagent_x/driver.py": 3}


def test_files_and_functions_are_within_limits() -> None:
    assert overlong() == []


def test_overlong_file_and_function_are_reported(tmp_path: Path) -> None:
    module = tmp_path / "vipagent" / "long.py"
    module.parent.mkdir()
    module.write_text("async def f() -> None:\n" + "    pass\n" * 300)
    assert overlong(tmp_path) == [
        "vipagent/long.py: file: 301 lines",
        "vipagent/long.py: f: 301 lines",
    ]
