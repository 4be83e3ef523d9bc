"""ZooKeeper, the reference store, with ExaZK's tree. Uses kazoo."""

from vipagent_zookeeper.driver import ZooKeeperDriver

__all__ = ["ZooKeeperDriver"]
