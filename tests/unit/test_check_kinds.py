"""Every type of check is implemented, documented and tested."""

from pathlib import Path

import pytest

from vipagent.checks.kinds import BY_SCHEME
from vipagent.checks.urls import SCHEMES
from vipagent.config.catalog import SERVICE_PATH, keys

TESTS = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_checks_*.py"))


def test_every_scheme_has_a_check() -> None:
    assert set(BY_SCHEME) == set(SCHEMES), "vipagent/checks/kinds.py"


@pytest.mark.parametrize("name", SCHEMES)
def test_scheme_is_documented(name: str) -> None:
    [text] = [key.text for key in keys() if key.path == f"{SERVICE_PATH}.check"]
    assert f"{SCHEMES[name].form} ({SCHEMES[name].good})" in text, "the help of the option check"


@pytest.mark.parametrize("name", SCHEMES)
def test_form_starts_with_its_scheme(name: str) -> None:
    assert SCHEMES[name].form.startswith(f"{name}://")


@pytest.mark.parametrize("name", SCHEMES)
def test_scheme_is_tested(name: str) -> None:
    assert f"{name}://" in TESTS, f"tests/unit/test_checks_{name}.py"
