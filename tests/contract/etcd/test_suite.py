"""etcd passes the suite against a real server."""

from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults


class TestEtcd(BackendContract):
    """All that holds for a store that is well."""


class TestEtcdProcesses(ProcessDeath):
    """Agents that die without a word."""


class TestEtcdFaults(ServerFaults):
    """A server that dies or freezes."""
