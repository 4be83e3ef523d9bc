"""ZooKeeper passes the suite against a real server, and keeps ExaZK's tree."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ZookeeperError

from tests.servers.zookeeper import ZooKeeper
from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults
from vipagent.testing.store import ServedStore
from vipagent_zookeeper import ZooKeeperBackend

LIFE = 4.0
PREFIXES = count(1)


class ZooKeeperUnderTest(ServedStore):
    """A server, a prefix that is fresh for each test, and a foreign client that holds sessions of its own."""

    factory = ZooKeeperBackend
    vanishing = LIFE + 3.0  # a server looks at its sessions once in a tick of 2 s

    def __init__(self, server: ZooKeeper) -> None:
        self.server = server
        self.prefix = f"/test{next(PREFIXES)}"
        self.foreign = KazooClient(server.address, timeout=20.0)
        self.foreign.start()

    def settings(self, node: str, instance: str) -> StoreSettings:
        return StoreSettings(node, instance, (self.server.address,), self.prefix, LIFE)

    def plant(self, key: Key, value: bytes) -> None:
        self.foreign.create(key.path(self.prefix), value, ephemeral=True, makepath=True)

    def uproot(self, key: Key) -> None:
        self.foreign.delete(key.path(self.prefix))

    def overwrite(self, key: Key, value: bytes) -> None:
        self.foreign.set(key.path(self.prefix), value)

    def litter(self, directory: Directory) -> None:
        path = directory.path(self.prefix)
        for name in ("x" * 5000, "ÿ", "日本語", "a b", "%00", "-", "10.0.0.0_0", "::", "..."):
            self.foreign.create(f"{path}/{name}", b"\xff" * 900_000, makepath=True)
        self.foreign.ensure_path(path + "/deep" * 200)
        self.foreign.create(f"{path}/sequence", sequence=True, ephemeral=True)
        for name in ("line\nbreak", "\x00", "\ud7ff\U0001f600"):
            with suppress(ZookeeperError):  # what ZooKeeper refuses can't disturb anybody
                self.foreign.create(f"{path}/{name}", b"")

    def kill(self) -> None:
        self.server.kill()

    def start(self) -> None:
        self.server.start()

    def pause(self) -> None:
        self.server.pause()

    def resume(self) -> None:
        self.server.resume()

    def close(self) -> None:
        self.foreign.stop()
        self.foreign.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeper]:
    server = ZooKeeper(tmp_path_factory.mktemp("zookeeper"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(server: ZooKeeper) -> Iterator[ZooKeeperUnderTest]:
    if not server.process.running:  # a test before this one has failed
        server.start()
    store = ZooKeeperUnderTest(server)
    yield store
    store.close()


class TestZooKeeper(BackendContract):
    """All that holds for a store that is well."""


class TestZooKeeperProcesses(ProcessDeath):
    """Agents that die without a word."""


class TestZooKeeperFaults(ServerFaults):
    """A server that dies or freezes."""
