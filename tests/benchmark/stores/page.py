"""docs/stores.md: what is between two markers of a name is written by the command."""

import os
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "stores.md"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def conditions() -> str:
    """Say under which conditions the figures were measured: other work on the machine makes them worse."""
    load = os.getloadavg()[0]
    return f"Measured on {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {load:.1f} at the end."


def shown(name: str) -> str:
    """Return what the page has between the markers of this name."""
    found = re.search(f"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", PAGE.read_text(), re.DOTALL)
    assert found, f"{PAGE} has no <!-- {name} -->"
    return found[1]


def write(name: str, content: str) -> None:
    """Replace what is between the markers of this name."""
    text = PAGE.read_text()
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    found, times = re.subn(
        f"{start}.*?{end}", lambda _: f"{start}\n{content}\n{end}", text, count=1, flags=re.DOTALL
    )
    assert times == 1, f"{PAGE} has no {start} … {end}"
    PAGE.write_text(found)
    print(content, flush=True)
