"""Outages of ZooKeeper, short, long, or at the start of an agent: routes stay (L1, L2, L3, L4)."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.exabgp.conftest import SESSION_TIMEOUT, zookeeper_options
from tests.exabgp.lab import Lab, Site
from tests.exabgp.registry import Registry
from tests.servers.exabgp import VERSIONS, Settings
from tests.servers.process import wait_for
from tests.servers.zookeeper import ZooKeeper

SHORT, LONG = 5, 40
"""Durations in seconds: less than the session timeout, and much longer."""
START_GRACE = 3


class Outage:
    """Labs of both versions on a separate ZooKeeper, so that one outage tests both."""

    def __init__(self, zookeeper: ZooKeeper, labs: dict[str, Lab]) -> None:
        self.zookeeper = zookeeper
        self.labs = labs

    def wait_until_registered(self, within: float) -> None:
        """Wait until every node of every lab is registered by a live session."""
        for prefix, lab in self.labs.items():
            with Registry(self.zookeeper.address, prefix) as registry:
                vips = set(lab.converged())
                wait_for(f"{vips} are registered", lambda: registry.members() == vips, within)  # noqa: B023

    def assert_unchanged(self, since: float, seconds: float) -> None:
        """Assert that no route changes for a number of seconds."""
        until = time.time() + seconds

        def has_elapsed() -> bool:
            for version, lab in self.labs.items():
                assert lab.changes(since) == [], f"{version}:\n{lab.report()}"
            return time.time() > until

        wait_for("the time has elapsed", has_elapsed, seconds + 5, every=0.2)


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
    outage.assert_unchanged(since, seconds)
    outage.zookeeper.start()
    outage.wait_until_registered(10)
    outage.assert_unchanged(since, SESSION_TIMEOUT + 2)


def test_takeovers_work_again_after_an_outage(outage: Outage) -> None:
    for lab in outage.labs.values():
        lab.nodes[0].fails.touch()
    for lab in outage.labs.values():
        lab.wait_for(lab.without(lab.nodes[0]))


def test_an_agent_that_starts_without_a_store_announces_its_own_vip_and_registers_later(
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
            lab.wait_for(lab.converged(), 20)
            assert min(change.at for change in lab.changes(since)) > since + START_GRACE
        zookeeper.start()
        Outage(zookeeper, labs).wait_until_registered(10)
        for lab in labs.values():
            assert len(lab.changes(since)) == len(lab.nodes)
