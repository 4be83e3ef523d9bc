"""Labs: one per ExaBGP version and module, on one ZooKeeper."""

from collections.abc import Iterator

import pytest

from tests.exabgp.lab import Lab, Site
from tests.exabgp.namespace import new_network
from tests.exabgp.registry import Registry
from tests.servers.exabgp import VERSIONS, Settings
from tests.servers.process import wait_for
from tests.servers.realtime import realtime_priority
from tests.servers.zookeeper import ZooKeeper

SLOWEST_MODULES = ("test_migration", "test_tables", "test_store_outage", "test_gate")
"""Modules that start first in a parallel run, because they take longest."""
SESSION_TIMEOUT = 10
"""ZooKeeper session timeout in seconds, longer than the restart of an agent."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests of a module, which share a lab; those of test_migration have separate labs."""
    modules = {item: item.path.stem for item in items}
    items.sort(
        key=lambda item: (
            SLOWEST_MODULES.index(modules[item]) if modules[item] in SLOWEST_MODULES else len(SLOWEST_MODULES)
        )
    )
    for item, module in modules.items():
        item.add_marker(pytest.mark.xdist_group(item.name if module == "test_migration" else module))


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeper]:
    server = ZooKeeper(tmp_path_factory.mktemp("zookeeper"), tick=1000)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def network() -> Iterator[None]:
    """Create an empty network namespace for this thread and its child processes."""
    with new_network():
        yield


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"exabgp{version}")
def site(request: pytest.FixtureRequest, zookeeper: ZooKeeper) -> Site:
    prefix = f"/{request.module.__name__.rpartition('.')[2]}/{request.param}"
    # Without settle time, a newly started node takes over immediately like the others; the watchdog must not
    # kill an agent that is frozen for longer than its session timeout.
    options = ("--settle", "0", "--watchdog", "60")
    return Site(Settings(request.param), zookeeper_options(zookeeper, prefix), options)


@pytest.fixture(scope="module")
def running_lab(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"), site)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="module")
def registry(site: Site, zookeeper: ZooKeeper) -> Iterator[Registry]:
    prefix = site.store[site.store.index("--prefix") + 1]
    with Registry(zookeeper.address, prefix) as registry:
        yield registry


@pytest.fixture
def lab(running_lab: Lab, registry: Registry, zookeeper: ZooKeeper) -> Iterator[Lab]:
    """Return the module's lab in its converged state: each node announces and has registered its own VIP.

    It runs at real-time priority.
    """
    for node in running_lab.nodes:
        node.fails.unlink(missing_ok=True)
        if not node.exabgp.process.running:
            node.exabgp.start()
    vips = set(running_lab.converged())
    wait_for(f"{vips} are registered", lambda: registry.members() >= vips, 20)
    running_lab.wait_for(running_lab.converged(), 20)
    with realtime_priority(lambda: [zookeeper.process.pid, *running_lab.processes()]):
        yield running_lab


def zookeeper_options(server: ZooKeeper, prefix: str) -> tuple[str, ...]:
    """Return the agent's options for the store."""
    hosts = ("--backend", "zookeeper", "--hosts", server.address)
    return (*hosts, "--prefix", prefix, "--session-timeout", str(SESSION_TIMEOUT))
