"""One real server per module, and one prefix per test."""

from collections.abc import Iterator

import pytest

from tests.contract.consul.under_test import ConsulUnderTest
from tests.servers.consul import Consul
from tests.servers.proxy import Proxy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consul]:
    server = Consul(tmp_path_factory.mktemp("consul"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(server: Consul) -> ConsulUnderTest:
    if not server.process.running:  # a previous test has failed
        server.start()
    return ConsulUnderTest(server)


@pytest.fixture
def proxy(server: Consul) -> Iterator[Proxy]:
    """A proxy to the server with injected faults."""
    proxy = Proxy(server.address)
    yield proxy
    proxy.close()
