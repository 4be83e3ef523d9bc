"""etcd passes the suite against a real server."""

from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults


class TestEtcd(BackendContract):
    """Tests without faults."""


class TestEtcdProcesses(ProcessDeath):
    """Tests with killed agents."""


class TestEtcdFaults(ServerFaults):
    """Tests with a killed or frozen server."""
