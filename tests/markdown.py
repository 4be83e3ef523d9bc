"""Generated Markdown: the parts of a page between two markers."""

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
    """Name in its markers: `<!-- name -->` and `<!-- /name -->`."""

    def shown(self) -> str:
        """Return the current content."""
        found = self._pattern().search(self.page.read_text())
        assert found, f"{self.page} has no <!-- {self.name} --> … <!-- /{self.name} -->"
        return found[1].strip("\n")

    def write(self, content: str) -> None:
        """Replace the content; adds the empty lines that tables and lists need."""
        framed = f"<!-- {self.name} -->\n\n{content}\n\n<!-- /{self.name} -->"
        text, times = self._pattern().subn(lambda _: framed, self.page.read_text(), count=1)
        assert times == 1, f"{self.page} has no <!-- {self.name} --> … <!-- /{self.name} -->"
        self.page.write_text(text)

    def _pattern(self) -> re.Pattern[str]:
        return re.compile(f"<!-- {self.name} -->(.*?)<!-- /{self.name} -->", re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; bars in cells are escaped."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(text: str) -> str:
    """Return a non-empty text as code."""
    return f"`{text}`" if text else ""
