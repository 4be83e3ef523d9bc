"""The example files in conf/, checked without servers."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.unit.config_files import fake_backends
from vipagent.config.load import load_file
from vipagent.core.settings import ServiceSettings
from vipagent.testing.slowness import allowed

__all__ = ["fake_backends"]

CONF = Path(__file__).parents[2] / "conf"
NODES = ("node1", "node2", "node3")


@pytest.mark.usefixtures("fake_backends")
def test_each_node_owns_one_vip_of_a_common_pool() -> None:
    services: list[ServiceSettings] = []
    for node in NODES:
        config = load_file(CONF / f"{node}.yaml")
        assert (config.backend, config.store.node) == ("zookeeper", node)
        services += [service.core for service in config.services]
    assert [service.name for service in services] == ["apex"] * 3
    assert len({service.owners for service in services}) == 1
    assert tuple(service.owned for service in services) == services[0].owners


def test_files_differ_only_in_the_node() -> None:
    for one, other in [("node1.yaml", "node2.yaml"), ("exabgp-node1.conf", "exabgp-node2.conf")]:
        first, second = ((CONF / name).read_text().splitlines() for name in (one, other))
        assert len(first) == len(second)
        for before, after in zip(first, second, strict=True):
            same = (
                before.replace("node1", "node2")
                .replace("192.0.2.11", "192.0.2.12")
                .replace("1 of 3", "2 of 3")
            )
            assert after in (before, same)


@pytest.mark.parametrize("node", NODES)
def test_exabgp_accepts_the_file(node: str) -> None:
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    validate = "--validate" if version("exabgp").startswith("4.") else "validate"
    command = [sys.executable, "-m", "exabgp", validate, str(CONF / f"exabgp-{node}.conf")]
    validated = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=allowed(60)
    )
    assert validated.returncode == 0, validated.stdout + validated.stderr
