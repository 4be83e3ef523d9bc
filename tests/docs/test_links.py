"""Every link between Markdown files, and to files, leads somewhere: to a heading, too."""

import re
from pathlib import Path

import pytest

from tests.markdown import DOCS, ROOT

PAGES = [
    page for folder in (".", "operations", "reference", "decisions") for page in DOCS.glob(f"{folder}/*.md")
]
OTHERS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
INCLUDES = {DOCS / "changelog.md": ROOT / "CHANGELOG.md", DOCS / "security.md": ROOT / "SECURITY.md"}
"""Pages that are nothing but another file."""


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_s_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in _links(_prose(page)) if not _leads_somewhere(page, link)]
    assert broken == []


def test_every_page_is_in_the_menu() -> None:
    listed = re.findall(r"^[a-z/-]+\*?$", (DOCS / "index.md").read_text(), re.MULTILINE)
    found = {path for pattern in listed for path in DOCS.glob(f"{pattern}.md")}
    assert found | {DOCS / "index.md"} == set(PAGES)


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not heading or heading in _headings(INCLUDES.get(target, target))


def _links(text: str) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


def _headings(page: Path) -> set[str]:
    """Return the headings as they are named in links."""
    found = re.findall(r"^#{1,3} (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def _prose(page: Path) -> str:
    """Return a page without its blocks of code, in which anything may stand."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
