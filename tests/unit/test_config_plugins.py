"""Discovery of backends in an environment with real distributions."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.third_party import environment, install
from vipagent.store.backend import StoreConfigError
from vipagent.store.driver import API_VERSION
from vipagent.store.plugins import backend_factory
from vipagent.testing.memory import MemoryBackend
from vipagent.testing.slowness import allowed

GOOD = "from vipagent_file import FileDriver as Good"
OUTDATED = """
from vipagent_file import FileDriver
class Outdated(FileDriver):
    api_version = 1
"""
UNSTATED = """
from vipagent.store.driver import Driver
class Unstated(Driver):
    name = "unstated"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Third-party backends: one that works, and one for each kind of fault."""
    site = tmp_path / "site"
    site.mkdir()
    modules = {
        "good": GOOD,
        "bare": "import no_such_client.api",
        "broken": "raise RuntimeError('a bug')",
        "other": "Other = dict",
        "outdated": OUTDATED,
        "unstated": UNSTATED,
    }
    for name, text in modules.items():
        (site / f"outside_{name}.py").write_text(text)
    targets = {name: f"outside_{name}:{name.capitalize()}" for name in modules}
    install(
        site,
        "outside",
        targets,
        extras=("bare",),
    )
    install(site, "lonely", {"poor": "outside_bare:Bare"})
    install(site, "one", {"twin": "outside_good:Good"})
    install(site, "two", {"twin": "outside_other:Other"})
    return site


def python(site: Path, *arguments: str) -> str:
    """Run Python with these distributions on its path."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment(site), capture_output=True, text=True, check=True, timeout=allowed(60)
    ).stdout


def test_backends_are_listed_with_missing_libraries(site: Path) -> None:
    listed = {
        plugin["name"]: (plugin["distribution"], plugin["error"])
        for plugin in json.loads(python(site, "-m", "vipagent", "backends", "--json"))
    }
    assert listed["good"] == ("outside 1.0", "")
    missing = "needs the library no_such_client: install outside with its extra [bare]"
    assert listed["bare"] == ("outside 1.0", missing)
    assert listed["poor"] == (
        "lonely 1.0",
        "cannot be imported: No module named 'no_such_client'; install no_such_client",
    )
    assert listed["broken"] == ("outside 1.0", "cannot be loaded: RuntimeError: a bug")
    assert listed["other"] == (
        "outside 1.0",
        "cannot be used: not a subclass of vipagent.store.driver.Driver",
    )
    assert listed["twin"] == (
        "one 1.0, two 1.0",
        "is provided by several distributions: one 1.0, two 1.0; keep one",
    )
    table = python(site, "-m", "vipagent", "backends")
    assert "good" in table
    assert "ready" in table


@pytest.mark.parametrize(("name", "stated"), [("outdated", "1"), ("unstated", "1 or missing")])
def test_driver_of_another_api_version_is_rejected(site: Path, name: str, stated: str) -> None:
    listed = json.loads(python(site, "-m", "vipagent", "backends", "--json"))
    errors = {plugin["name"]: plugin["error"] for plugin in listed}
    expected = f"its API version is {stated}, but {API_VERSION} is needed: see docs/write-a-backend.md"
    assert errors[name] == f"cannot be used: {expected}"


def test_backend_of_the_first_interface_is_rejected_with_instructions() -> None:
    with pytest.raises(StoreConfigError, match=r"its API version is 1 .*, but 2 is needed: see docs/"):
        backend_factory(MemoryBackend)


def test_only_the_selected_backend_is_imported(site: Path) -> None:
    script = """
        import sys
        from vipagent.store.backend import StoreConfigError
        from vipagent.store.plugins import load, names
        assert {"good", "bare", "broken"} <= set(names())
        assert load("good").args[0].__name__ == "FileDriver"
        try:
            load("goof")
        except StoreConfigError as error:
            assert str(error).startswith("is not a known backend; installed: bare, broken"), error
        else:
            raise AssertionError("goof was found")
        imported = {name for name in sys.modules if name.startswith("outside_")}
        assert imported == {"outside_good"}, imported
        print("fine")
    """
    assert python(site, "-c", dedent(script)) == "fine\n"
