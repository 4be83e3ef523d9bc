"""README's quick start: from a checkout to a VIP that replies, and maintenance."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.readme.site import BALANCERS, Site, own, wait_until_served
from tests.readme.snippets import quick_start
from tests.servers.exabgp import VERSIONS
from tests.servers.process import Process, wait_for

NOBODY = 65534
STORE = ("--backend", "zookeeper", "--hosts", "zk1:2181")
"""Store options of README for operators without a file."""
VIP, OTHER = "10.20.255.1", "10.20.255.2"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), quick_start())
    try:
        site.start()
        yield site
    finally:
        site.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_five_minutes_end_in_vips_that_answer_and_can_be_maintained(site: Site, version: str) -> None:
    readme = site.readme
    with ExitStack() as stack:
        for name in BALANCERS:
            site.machines[name].write(readme.config_file, own(name, readme.config))
            exabgp = site.exabgp(name, version, own(name, readme.exabgp))
            stack.enter_context(site.running(exabgp))
            assert f"{readme.config_file}: valid" in site.machines[name].run("vipagent", "check-config")
        wait_until_served(site, VIP, "node1")
        wait_until_served(site, OTHER, "node2")
        assert agent_user(exabgp) == NOBODY
        wait_until_registered(site)
        wait_for("there is no problem", lambda: problems(site) == [], 30, every=0.2)
        assert len(site.machines["node1"].run("ls", "/var/lib/vipagent").split()) == len(BALANCERS)
        operate(site)


@pytest.mark.parametrize("version", VERSIONS)
def test_one_service_by_options_answers(site: Site, version: str) -> None:
    exabgp = site.exabgp("node1", version, site.readme.exabgp_by_options())
    node = site.machines["node1"]
    node.run("rm", "-f", site.readme.config_file)
    with site.running(exabgp):
        wait_until_served(site, VIP, "node1")
        assert "(rank 0, owner)" in node.run("vipagent", "status", "apex", *STORE)


def operate(site: Site) -> None:
    """Run the operator commands in order, and verify their effects."""
    node = site.machines["node1"]
    status, on, off = site.readme.operate
    shown = node.run("sh", "-euc", status)
    assert "node1 (rank 0, owner)" in shown
    assert "node2 (rank 0, owner)" in shown
    assert "in maintenance" in node.run("sh", "-euc", on)
    wait_for("the switch knows that node1 serves nothing", lambda: not site.announced("node1"), 5)
    assert site.served(VIP) == "node2"
    assert "maintenance-node" in node.run("sh", "-euc", status)
    assert "maintenance ended" in node.run("sh", "-euc", off)
    wait_for("node1 is back", lambda: f"{VIP}/32" in site.announced("node1"), 30)
    wait_for("node2 has handed back", lambda: f"{VIP}/32" not in site.announced("node2"), 30)
    wait_until_served(site, VIP, "node1")


def wait_until_registered(site: Site) -> None:
    """Wait until both are registered: until then, the other one also announces a VIP."""

    def owners() -> list[str | None]:
        return [vip["owner"] for vip in shown(site)["vips"]]

    wait_for("all are registered", lambda: owners() == ["node1", "node2", None], 30, every=0.2)


def problems(site: Site) -> list[str]:
    """Return the problems of all nodes."""
    return [problem["reason"] for problem in shown(site)["problems"]]


def shown(site: Site) -> dict[str, Any]:
    """Return the status of the service."""
    [service] = json.loads(site.machines["node1"].run("vipagent", "status", "--json"))
    return dict(service)


def agent_user(exabgp: Process) -> int:
    """Return the user that ExaBGP's process runs as."""
    [child] = Path(f"/proc/{exabgp.pid}/task/{exabgp.pid}/children").read_text().split()
    return Path(f"/proc/{child}").stat().st_uid
