"""Layout and packaging of the project."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lowest import lower_bounds

ROOT = Path(__file__).parents[2]
CLIENTS = {"kazoo", "watchdog", "urllib3", "httpx", "requests", "consul", "etcd3"}


def packages_in(source: Path) -> set[str]:
    return {
        ".".join(init.parent.relative_to(source).parts)
        for top in source.iterdir()
        if top.name.startswith("vipagent")
        for init in top.rglob("__init__.py")
    }


def setup() -> configparser.ConfigParser:
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg")
    return parsed


def test_every_package_is_packaged() -> None:
    listed = set(setup()["options"]["packages"].split())
    assert listed == packages_in(ROOT) | packages_in(ROOT / "backends")


def test_each_backend_has_an_extra_of_the_same_name() -> None:
    parsed = setup()
    backends = {
        line.split()[0] for line in parsed["options.entry_points"]["vipagent.backends"].split("\n") if line
    }
    assert backends <= set(parsed["options.extras_require"])
    assert {f"vipagent_{name}" for name in backends} == packages_in(ROOT / "backends")


def test_demo_requires_a_supported_exabgp() -> None:
    """ExaBGP 6 rejects `announce route` without a peer, the only form supported by 4.2 and 5."""
    demo = setup()["options.extras_require"]["demo"].split()
    assert [asked for asked in demo if asked.startswith("exabgp")] == ["exabgp>=4.2.25,<6"]
    assert "exabgp==4.2.25" in lower_bounds()


@pytest.mark.parametrize("module", sorted((ROOT / "vipagent").rglob("*.py")), ids=lambda path: path.stem)
def test_agent_imports_no_store_library(module: Path) -> None:
    imported = re.findall(r"^\s*(?:from|import) (\w+)", module.read_text(), re.MULTILINE)
    assert not CLIENTS & set(imported)


def test_tls_contexts_are_created_in_one_module() -> None:
    """Verification must not depend on the caller or on Python's defaults."""
    making = {
        module.relative_to(ROOT).as_posix()
        for source in (ROOT / "vipagent", ROOT / "backends")
        for module in source.rglob("*.py")
        if re.search(r"create_\w*context\(|SSLContext\(|wrap_socket\(ssl|ssl=True", module.read_text())
    }
    assert making == {"vipagent/net/tls.py"}


def test_agent_process_imports_no_large_libraries() -> None:
    """Imports of `vipagent run` determine its memory: no terminal, netlink or HTTP libraries at start."""
    script = "import sys, vipagent.cli.main, vipagent.cli.run; print(*sys.modules)"
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert not {"rich", "pyroute2", "structlog", "h11", "yaml", "pydantic", "annotated_types"} & loaded
    assert not CLIENTS & loaded
    assert "vipagent.telemetry.summary" not in loaded, "only the status page needs it"


def test_engine_does_no_io() -> None:
    """The engine is sans-I/O (Shape 2): its caller provides the event loop, clock, pipes and log."""
    io = {"asyncio", "logging", "os", "pathlib", "select", "socket", "subprocess", "threading", "time"}
    for module in (ROOT / "vipagent" / "engine").glob("*.py"):
        imported = set(re.findall(r"^\s*(?:from|import) (\w+)", module.read_text(), re.MULTILINE))
        assert not imported & io, module


def test_core_does_no_io() -> None:
    """The core is sans-I/O (Shape 1): it imports only plain data and arithmetic."""
    allowed = {
        "array",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "math",
        "vipagent",
        "itertools",
        "typing",
    }
    for module in (ROOT / "vipagent" / "core").glob("*.py"):
        imported = set(re.findall(r"^\s*(?:from|import) (\w+)", module.read_text(), re.MULTILINE))
        assert imported <= allowed, module
