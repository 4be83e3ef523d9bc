"""etcd 3.4 and later, through its JSON gateway."""

from vipagent_etcd.driver import EtcdDriver

__all__ = ["EtcdDriver"]
