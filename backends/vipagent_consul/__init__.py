"""Consul as the store: entries are keys locked by a session that ends with its agent."""

from vipagent_consul.driver import ConsulDriver

__all__ = ["ConsulDriver"]
