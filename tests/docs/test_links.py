"""Every link in a Markdown file has an existing target: a file or a heading."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.markdown import DOCS, ROOT

PAGES = [
    page for folder in (".", "operations", "reference", "decisions") for page in DOCS.glob(f"{folder}/*.md")
]
INCLUDES = {
    DOCS / f"{name.lower()}.md": ROOT / f"{name}.md"
    for name in ("ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "SECURITY")
}
"""Pages that only include another file."""
OTHERS = [ROOT / "README.md", *INCLUDES.values()]
DEVELOPERS = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("decisions/*.md")]
"""Pages that name files of the project."""


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_s_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in _links(_prose(page)) if not _leads_somewhere(page, link)]
    assert broken == []


@pytest.mark.parametrize("page", DEVELOPERS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_file_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:vipagent|backends|tests|docs|debian|conf)/[\w./-]*)`", page.read_text())
    missing = {path for path in named if not (ROOT / path).exists()}
    assert missing == set()


def test_every_page_is_in_the_menu() -> None:
    menus = [DOCS / "index.md", DOCS / "decisions" / "index.md"]
    found = {page for menu in menus for page in _listed(menu)}
    assert found | {DOCS / "index.md"} == set(PAGES)


@pytest.mark.parametrize("record", sorted(DOCS.glob("decisions/*.md")), ids=lambda page: page.stem)
def test_a_decision_is_short(record: Path) -> None:
    assert record.stem == "index" or len(record.read_text().splitlines()) <= 30


def _listed(menu: Path) -> Iterator[Path]:
    """Yield the pages in a page's menus."""
    for trees in re.findall(r"^```\{toctree\}$(.*?)^```$", menu.read_text(), re.DOTALL | re.MULTILINE):
        for pattern in re.findall(r"^[a-z/-]+\*?$", trees, re.MULTILINE):
            yield from menu.parent.glob(f"{pattern}.md")


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not heading or heading in _headings(INCLUDES.get(target, target))


def _links(text: str) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


def _headings(page: Path) -> set[str]:
    """Return the headings in the form used by links."""
    found = re.findall(r"^#{1,3} (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def _prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
