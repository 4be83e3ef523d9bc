"""Contract tests of Consul with a real server, for all session types."""

import pytest

from tests.contract.consul.under_test import ConsulUnderTest
from tests.servers.consul import Consul
from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults


class TestConsul(BackendContract):
    """Tests without faults."""


class TestConsulProcesses(ProcessDeath):
    """Tests with killed agents."""


class TestConsulFaults(ServerFaults):
    """Tests with a killed or frozen server."""


class TestConsulWithoutCheck(BackendContract):
    """Tests without faults, with `session: ttl`."""

    @pytest.fixture
    def store(self, server: Consul) -> ConsulUnderTest:
        return ConsulUnderTest(server, {"session": "ttl", "serf_health": False})
