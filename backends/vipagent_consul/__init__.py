"""Consul as a store: entries are keys locked by the agent's session."""

from vipagent_consul.driver import ConsulDriver

__all__ = ["ConsulDriver"]
