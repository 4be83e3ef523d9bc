"""The example backend as a third-party package: installed by pip, passes the suite, matches its page."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from vipagent.testing.slowness import allowed

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "example-backend"
SNIPPET = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example's sources, because the build creates files next to them."""
    copy = tmp_path_factory.mktemp("example") / "source"
    ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".*")
    return Path(shutil.copytree(EXAMPLE, copy, ignore=ignored))


@pytest.fixture(scope="module")
def python(example: Path) -> Path:
    """A Python with the example, its client library, and the packages of this one."""
    environment = example.parent / "venv"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    site = sysconfig.get_path("purelib", "venv", {"base": str(environment)})
    Path(site, "outer.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    assert _run(*pip, "install", "--quiet", "--disable-pip-version-check", str(example)) == ""
    return python


def test_it_is_listed_and_can_be_loaded(python: Path) -> None:
    found = json.loads(_run(str(python), "-m", "vipagent", "backends", "--backend", "redis", "--json"))
    assert {"name": "redis", "distribution": "vipagent-redis 1.0", "error": ""} in found


def test_it_passes_the_suite(python: Path, example: Path) -> None:
    output = _run(str(python), "-m", "pytest", "-q", "-W", "error", "--timeout", "60", "tests", cwd=example)
    summary = re.search(r"^(\d+) passed in", output, re.MULTILINE)
    assert summary, output
    assert int(summary[1]) > 50


def test_the_snippets_of_the_page_match_the_sources() -> None:
    shown = SNIPPET.findall((DOCS / "write-a-backend.md").read_text())
    assert len(shown) > 5
    for file, text in shown:
        assert text in (EXAMPLE / file).read_text(), f"{file} does not contain the page's snippet:\n{text}"


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=allowed(200), check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout
