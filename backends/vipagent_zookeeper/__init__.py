"""ZooKeeper, the reference store: ExaZK's tree, ephemeral znodes, kazoo."""

from vipagent_zookeeper.backend import ZooKeeperBackend

__all__ = ["ZooKeeperBackend"]
