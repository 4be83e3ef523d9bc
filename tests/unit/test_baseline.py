"""Compatibility with earlier versions: their records and maintenance keys are read, their routes withdrawn.

See tests/baseline/README.md. The current version may write other records, but must read the earlier ones.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.baseline.stores import lock
from tests.benchmark.program import Program
from tests.servers.process import wait_for
from vipagent.cli import catalog as commands
from vipagent.cli.main import cli
from vipagent.config.catalog import keys
from vipagent.web.metrics import METRICS

BASELINE = Path(__file__).parents[1] / "baseline"
VERSIONS = ("0.1.0",)
STORES = ("zookeeper", "etcd", "consul", "file")
SITUATIONS = (
    "registered", "check-down", "recovered", "draining", "maintenance-node", "maintenance-node-now",
    "maintenance-service", "conflict", "reloaded", "stopped",
)  # fmt: skip
STORE_TIMEOUT = 60.0
ROUTE = re.compile(
    r"(?P<neighbors>(?:neighbor \S+ )*)(?P<verb>announce|withdraw) route (?P<prefix>\S+)"
    r"(?: path-information (?P<path>\S+))?"
)


def recorded(version: str, name: str) -> Any:
    """Load a recording."""
    return json.loads((BASELINE / version / f"{name}.json").read_text())


@pytest.fixture
def holders() -> Iterator[ExitStack]:
    """Holders of the locks of ephemeral entries, released at the end of the test."""
    with ExitStack() as stack:
        yield stack


def lay_out(entries: list[dict[str, Any]], directory: Path, holders: ExitStack) -> None:
    """Create a `file` store from the recorded entries of any store; lock the ephemeral ones."""
    for entry in entries:
        file = directory / entry["path"].strip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(entry["value"])
        if entry["ephemeral"]:
            lock(holders.enter_context(file.open("r+b")).fileno())


def vipagent(*words: str) -> str:
    """Run a command and return its output."""
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return done.stdout


def missing(recorded: object, present: object, path: str = "") -> Iterator[str]:
    """Yield the recorded values that are missing or different; additional values are allowed."""
    if isinstance(recorded, dict) and isinstance(present, dict):
        for key, value in recorded.items():
            if key not in present:
                yield f"{path}.{key}"
            else:
                yield from missing(value, present[key], f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(present, list) and len(recorded) == len(present):
        for number, (old, new) in enumerate(zip(recorded, present, strict=True)):
            yield from missing(old, new, f"{path}[{number}]")
    elif recorded != present:
        yield f"{path}: {recorded!r} has become {present!r}"


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("version", VERSIONS)
def test_records_of_earlier_versions_are_read(
    version: str, store: str, situation: str, tmp_path: Path, holders: ExitStack
) -> None:
    """`vipagent status` still prints all recorded values."""
    found = recorded(version, store)[situation]
    lay_out(found["entries"], tmp_path, holders)
    output = vipagent("status", "apex", "--json", "--backend", "file", "--hosts", str(tmp_path))
    [then], [now] = found["status --json"], json.loads(output)
    then["vips"] = [
        vip for vip in then["vips"] if vip["registered"] or vip["announced_by"]
    ]  # without a configuration file
    now["vips"] = [vip for vip in now["vips"] if vip["registered"] or vip["announced_by"]]
    assert list(missing(then, now)) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_maintenance_of_earlier_versions_is_listed_and_ended(
    version: str, tmp_path: Path, holders: ExitStack
) -> None:
    entries = recorded(version, "file")["maintenance-service"]["entries"]
    entries += recorded(version, "file")["maintenance-node-now"]["entries"]
    store = ("--backend", "file", "--hosts", str(tmp_path))
    lay_out([entry for entry in entries if not entry["ephemeral"]], tmp_path, holders)
    listed = vipagent("maintenance", "list", "apex", *store).splitlines()
    assert all("operator@host" in line and "2026-01-01" in line for line in listed)
    assert "the whole service" in listed[0]
    assert "node1" in listed[1]
    assert "smoke" in listed[1]
    for whose in ((), ("--node", "node1")):
        assert "ended" in vipagent("maintenance", "off", "apex", *whose, *store)
    assert vipagent("maintenance", "list", "apex", *store) == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_only_maintenance_keys_are_persistent(version: str) -> None:
    """In every store, only maintenance keys remain after the agents have stopped."""
    for store in STORES:
        for situation, found in recorded(version, store).items():
            for entry in found["entries"]:
                assert entry["ephemeral"] is ("/maintenance/" not in entry["path"]), (store, situation)
        keys = {entry["path"].lstrip("/") for entry in recorded(version, store)["stopped"]["entries"]}
        assert keys == {"exabgp/maintenance/apex/node2"}


def routes(lines: list[str], verb: str) -> set[tuple[str, str, str]]:
    """Return the identities of the routes that commands announce or withdraw."""
    found = (ROUTE.match(line) for line in lines)
    named = (match.groupdict(default="") for match in found if match)
    return {
        (neighbors, match["prefix"], match["path"])
        for match in named
        if match["verb"] == verb
        for neighbors in _each(match["neighbors"])
    }


def _each(neighbors: str) -> list[str]:
    return re.findall(r"neighbor (\S+?),? ", neighbors) or ["*"]


@pytest.mark.parametrize("node", ["node1", "node2", "node3"])
@pytest.mark.parametrize("version", VERSIONS)
def test_routes_of_an_earlier_version_are_withdrawn(
    version: str, node: str, tmp_path: Path, holders: ExitStack
) -> None:
    """ExaBGP keeps the routes during an upgrade; with every service in maintenance, all are withdrawn."""
    found = recorded(version, "routes")[node]
    lines = [line for phase in found["commands"].values() for line in phase]
    announced = routes(lines, "announce")
    assert routes(lines, "withdraw") == announced
    [key] = (
        entry
        for entry in recorded(version, "file")["maintenance-service"]["entries"]
        if "/maintenance/" in entry["path"]
    )
    services: Mapping[str, object] = found["configuration"]["services"]
    for service in services:
        path = key["path"].replace("/apex/", f"/{service}/")
        lay_out([{**key, "path": path}], tmp_path / "store", holders)
    config = tmp_path / "vipagent.yaml"
    config.write_text(json.dumps({**found["configuration"], "hosts": [str(tmp_path / "store")]}))
    with Program(["vipagent", "run", "--config", str(config)], tmp_path / "log") as agent:

        def remaining() -> set[tuple[str, str, str]]:
            return announced - routes([command.line for command in agent.commands()], "withdraw")

        wait_for("all routes are withdrawn", lambda: not remaining(), STORE_TIMEOUT)
        assert routes([command.line for command in agent.commands()], "announce") == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_names_used_in_scripts_still_exist(version: str) -> None:
    names = recorded(version, "names")
    metrics = {metric.name: metric for metric in METRICS}
    for metric in names["metrics"]:
        assert metrics[metric["name"]].kind == metric["kind"]
        assert set(metric["labels"]) <= set(metrics[metric["name"]].labels)
    assert {key["path"] for key in names["configuration"]} <= {key.path for key in keys()}
    options = {
        command.name: {name for option in command.options for name in option.names}
        for command in commands.commands()
    }
    for command in names["commands"]:
        assert {name for option in command["options"] for name in option} <= options[command["name"]]
