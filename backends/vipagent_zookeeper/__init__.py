"""ZooKeeper, the reference store: ExaZK's tree, by kazoo."""

from vipagent_zookeeper.driver import ZooKeeperDriver

__all__ = ["ZooKeeperDriver"]
