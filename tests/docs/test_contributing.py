"""CONTRIBUTING.md and tox.ini have the same environments."""

import configparser
import re

from tests.markdown import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def test_every_environment_of_tox_is_in_the_table() -> None:
    section = PAGE.partition("\n## All tests\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z0-9-]+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
    assert _environments() - named == set()
    assert {name for name in named if not name.startswith("py31")} <= _environments()


def _environments() -> set[str]:
    """Return the environments of tox.ini, those of Python 3.11 for all versions."""
    tox = configparser.RawConfigParser()
    tox.read(ROOT / "tox.ini")
    named = {section.partition(":")[2] for section in tox.sections() if section.startswith("testenv:")}
    [factors] = re.findall(r"py3\{[\d,]+\}-\{([\w,]+)\}", tox["tox"]["env_list"])
    return named | {f"py311-{factor}" for factor in factors.split(",")}
