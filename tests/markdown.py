"""Markdown that programs write: the parts of a page that are between two markers of a name."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@dataclass(frozen=True, slots=True)
class Part:
    """The generated part of a page."""

    page: Path
    name: str
    """In its markers: `<!-- name -->` and `<!-- /name -->`."""

    def shown(self) -> str:
        """Return what the page has now."""
        found = self._pattern().search(self.page.read_text())
        assert found, f"{self.page} has no <!-- {self.name} --> … <!-- /{self.name} -->"
        return found[1].strip("\n")

    def write(self, content: str) -> None:
        """Put other content in its place; the lines around a table or list must be empty."""
        framed = f"<!-- {self.name} -->\n\n{content}\n\n<!-- /{self.name} -->"
        text, times = self._pattern().subn(lambda _: framed, self.page.read_text(), count=1)
        assert times == 1, f"{self.page} has no <!-- {self.name} --> … <!-- /{self.name} -->"
        self.page.write_text(text)

    def _pattern(self) -> re.Pattern[str]:
        return re.compile(f"<!-- {self.name} -->(.*?)<!-- /{self.name} -->", re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; a bar in a cell is no border of it."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(text: str) -> str:
    """Return text as code, or nothing for nothing."""
    return f"`{text}`" if text else ""
