"""etcd v3 through its JSON gateway: leases for registrations, one watch stream, no client library."""

from vipagent_etcd.backend import EtcdBackend

__all__ = ["EtcdBackend"]
