"""One real server per module, and one prefix per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.etcd.under_test import EtcdUnderTest
from tests.servers.etcd import Etcd
from tests.servers.proxy import Proxy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(server: Etcd) -> EtcdUnderTest:
    if not server.process.running:  # a previous test has failed
        server.start()
    return EtcdUnderTest(server)


@pytest.fixture
def proxy(server: Etcd) -> Iterator[Proxy]:
    """A proxy to the server with injected faults."""
    proxy = Proxy(server.address)
    yield proxy
    proxy.close()


@pytest.fixture
def login(password: Path) -> dict[str, object]:
    """Valid options for a server with passwords."""
    return {"user": "agent", "password_file": str(password)}
