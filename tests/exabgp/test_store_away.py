"""ZooKeeper dead, for a short and for a long time, or not there yet: routes stay (L1, L2, L3, L4)."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.exabgp.conftest import SESSION, zookeeper_options
from tests.exabgp.lab import Lab, Site
from tests.exabgp.registry import Registry
from tests.servers.exabgp import VERSIONS, Settings
from tests.servers.process import wait_for
from tests.servers.zookeeper import ZooKeeper

SHORT, LONG = 5, 40
"""Seconds: less than a session, and much more."""
START_GRACE = 3


class Outage:
    """Labs of both versions on one ZooKeeper of their own, so that one outage serves them all."""

    def __init__(self, zookeeper: ZooKeeper, labs: dict[str, Lab]) -> None:
        self.zookeeper = zookeeper
        self.labs = labs

    def wait_until_registered(self, within: float) -> None:
        """Wait until every node of every lab is registered by a live session."""
        for prefix, lab in self.labs.items():
            with Registry(self.zookeeper.address, prefix) as registry:
                vips = set(lab.steady())
                wait_for(f"{vips} are registered", lambda: registry.members() == vips, within)  # noqa: B023

    def unchanged(self, since: float, seconds: float) -> None:
        """Assert that not one route changes for so long."""
        until = time.time() + seconds

        def over() -> bool:
            for version, lab in self.labs.items():
                assert lab.changes(since) == [], f"{version}:\n{lab.report()}"
            return time.time() > until

        wait_for("the time is over", over, seconds + 5, every=0.2)


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    with ExitStack() as stack:
        zookeeper = ZooKeeper(tmp_path_factory.mktemp("zookeeper"), tick=1000)
        stack.callback(zookeeper.stop)
        zookeeper.start()
        labs = {}
        for version in VERSIONS:
            site = Site(Settings(version), zookeeper_options(zookeeper, f"/{version}"))
            lab = labs[f"/{version}"] = Lab(tmp_path_factory.mktemp("lab"), site)
            stack.callback(lab.stop)
            lab.start()
        yield Outage(zookeeper, labs)


@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_no_route_changes_before_during_and_after_an_outage_of_the_store(
    outage: Outage, seconds: int
) -> None:
    outage.wait_until_registered(10)
    since = time.time()
    outage.zookeeper.kill()
    outage.unchanged(since, seconds)
    outage.zookeeper.start()
    outage.wait_until_registered(10)
    outage.unchanged(since, SESSION + 2)


def test_takeovers_work_again_after_an_outage(outage: Outage) -> None:
    for lab in outage.labs.values():
        lab.nodes[0].fails.touch()
    for lab in outage.labs.values():
        lab.wait_for(lab.without(lab.nodes[0]))


def test_an_agent_that_finds_no_store_announces_its_own_vip_and_registers_once_it_can(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with ExitStack() as stack:
        zookeeper = ZooKeeper(tmp_path_factory.mktemp("zookeeper"), tick=1000)
        stack.callback(zookeeper.stop)
        labs = {}
        for version in VERSIONS:
            store = zookeeper_options(zookeeper, f"/{version}")
            site = Site(Settings(version), store, ("--start-grace", str(START_GRACE)))
            lab = labs[f"/{version}"] = Lab(tmp_path_factory.mktemp("lab"), site)
            stack.callback(lab.stop)
        since = time.time()
        for lab in labs.values():
            lab.launch()
        for lab in labs.values():
            lab.wait_for(lab.steady(), 20)
            assert min(change.at for change in lab.changes(since)) > since + START_GRACE
        zookeeper.start()
        Outage(zookeeper, labs).wait_until_registered(10)
        for lab in labs.values():
            assert len(lab.changes(since)) == len(lab.nodes)
