"""Consul passes the suite against a real server, whichever way its sessions end."""

import pytest

from tests.contract.consul.under_test import ConsulUnderTest
from tests.servers.consul import Consul
from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults


class TestConsul(BackendContract):
    """All that holds for a store that is well."""


class TestConsulProcesses(ProcessDeath):
    """Agents that die without a word."""


class TestConsulFaults(ServerFaults):
    """A server that dies or freezes."""


class TestConsulWithoutCheck(BackendContract):
    """All that holds for a store that is well, with sessions that end by their own time to live alone."""

    @pytest.fixture
    def store(self, server: Consul) -> ConsulUnderTest:
        return ConsulUnderTest(server, {"session": "ttl", "serf_health": False})
