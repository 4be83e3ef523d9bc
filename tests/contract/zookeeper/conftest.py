"""One real server per module, and one prefix per test."""

from collections.abc import Iterator

import pytest

from tests.contract.zookeeper.under_test import ZooKeeperUnderTest
from tests.servers.zookeeper import ZooKeeper


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeper]:
    server = ZooKeeper(tmp_path_factory.mktemp("zookeeper"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(server: ZooKeeper) -> Iterator[ZooKeeperUnderTest]:
    if not server.process.running:  # a previous test has failed
        server.start()
    store = ZooKeeperUnderTest(server)
    yield store
    store.close()
