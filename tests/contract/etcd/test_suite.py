"""etcd passes the suite against a real server."""

from collections.abc import Iterator

import pytest

from tests.contract.etcd.under_test import EtcdUnderTest
from tests.servers.etcd import Etcd
from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(server: Etcd) -> EtcdUnderTest:
    if not server.process.running:  # a test before this one has failed
        server.start()
    return EtcdUnderTest(server)


class TestEtcd(BackendContract):
    """All that holds for a store that is well."""


class TestEtcdProcesses(ProcessDeath):
    """Agents that die without a word."""


class TestEtcdFaults(ServerFaults):
    """A server that dies or freezes."""
