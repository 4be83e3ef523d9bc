"""ZooKeeper as a store under test, and a foreign client of it."""

from collections.abc import Mapping
from contextlib import suppress
from itertools import count

from kazoo.client import KazooClient
from kazoo.exceptions import ZookeeperError

from tests.contract.served import OnServer
from tests.servers.zookeeper import ZooKeeper
from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent_zookeeper import ZooKeeperDriver

LIFE = 4.0
PREFIXES = count(1)


class ZooKeeperUnderTest(OnServer[ZooKeeper]):
    """A server, a new prefix for each test, and a foreign client with separate sessions."""

    factory = ZooKeeperDriver
    expiry = LIFE + 5.0
    """A server checks its sessions once per tick of 2 s, so they may live one tick longer."""

    def __init__(
        self, server: ZooKeeper, options: Mapping[str, object] | None = None, **foreign: object
    ) -> None:
        """Connect the foreign client.

        Args:
            server: a running server.
            options: options of the backend.
            foreign: kazoo's arguments for the foreign client.
        """
        self.server = server
        self.options = dict(options or {})
        self.prefix = f"/test{next(PREFIXES)}"
        self.foreign = KazooClient(server.address, timeout=20.0, **foreign)
        self.foreign.start()

    def settings(self, node: str, instance: str) -> StoreSettings:
        return StoreSettings(node, instance, (self.server.address,), self.prefix, LIFE, self.options)

    def create_foreign(self, key: Key, value: bytes) -> None:
        self.foreign.create(key.path(self.prefix), value, ephemeral=True, makepath=True)

    def delete(self, key: Key) -> None:
        self.foreign.delete(key.path(self.prefix))

    def overwrite(self, key: Key, value: bytes) -> None:
        self.foreign.set(key.path(self.prefix), value)

    def write_garbage(self, directory: Directory) -> None:
        path = directory.path(self.prefix)
        for name in ("x" * 5000, "ÿ", "日本語", "a b", "%00", "-", "10.0.0.0_0", "::", "..."):
            self.foreign.create(f"{path}/{name}", b"\xff" * 900_000, makepath=True)
        self.foreign.ensure_path(path + "/deep" * 200)
        self.foreign.create(f"{path}/sequence", sequence=True, ephemeral=True)
        for name in ("line\nbreak", "\x00", "\ud7ff\U0001f600"):
            with suppress(ZookeeperError):  # entries that ZooKeeper rejects are not needed
                self.foreign.create(f"{path}/{name}", b"")

    def close(self) -> None:
        self.foreign.stop()
        self.foreign.close()
