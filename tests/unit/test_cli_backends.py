"""`vipagent backends`: list of installed backends, check of a store."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from vipagent.cli.main import cli
from vipagent.testing.slowness import allowed


def run(*arguments: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(cli, ["backends", *arguments])
    return outcome.exit_code, outcome.output


def test_bundled_backends_are_listed() -> None:
    status, output = run("--json")
    assert status == 0
    assert {"file", "zookeeper", "etcd", "consul"} <= {plugin["name"] for plugin in json.loads(output)}


def test_backend_with_a_missing_library_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vipagent_file", None)  # simulate a missing library
    status, output = run("--json")
    assert status == 0
    assert next(plugin["error"] for plugin in json.loads(output) if plugin["name"] == "file")


def test_working_store_is_measured_and_left_clean(tmp_path: Path) -> None:
    status, output = run("--check", "--json", "--hosts", str(tmp_path))
    assert status == 0, output
    found = json.loads(output)
    assert found["backend"] == "file"
    assert found["detail"] == str(tmp_path)
    assert all(0 < found[what] < allowed(5) for what in ("connected_within", "write", "notice", "register"))
    assert [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".")] == []


def test_failing_store_is_reported_with_the_cause(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    status, output = run("--check", "--hosts", str(blocked))
    assert status == 1
    assert str(blocked) in output
