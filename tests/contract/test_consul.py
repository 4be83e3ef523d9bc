"""Consul passes the suite against a real server, however its sessions are made to end."""

from collections.abc import Iterator
from itertools import count
from urllib.parse import quote

import pytest

from tests.servers.consul import Consul
from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults
from vipagent.testing.store import ServedStore
from vipagent_consul import ConsulBackend

LIFE = 2.0
PREFIXES = count(1)


class ConsulUnderTest(ServedStore):
    """A server, a prefix that is fresh for each test, and a foreign client with a session of its own."""

    factory = ConsulBackend
    vanishing = LIFE + 1.0
    options: dict[str, object] = {}  # noqa: RUF012  each subclass has its own

    def __init__(self, server: Consul) -> None:
        self.server = server
        self.prefix = f"/test{next(PREFIXES)}"
        created = server.call("session/create", body={"Behavior": "delete", "NodeChecks": []})
        assert isinstance(created, dict)
        self.foreign = created["ID"]

    def settings(self, node: str, instance: str) -> StoreSettings:
        return StoreSettings(node, instance, (self.server.address,), self.prefix, LIFE, self.options)

    def url(self, key: Key | Directory) -> str:
        return f"kv{quote(key.path(self.prefix))}"

    def plant(self, key: Key, value: bytes) -> None:
        assert self.server.call(f"{self.url(key)}?acquire={self.foreign}", body=value) is True

    def uproot(self, key: Key) -> None:
        self.server.call(self.url(key), "DELETE")

    def overwrite(self, key: Key, value: bytes) -> None:
        self.server.call(self.url(key), body=value)

    def litter(self, directory: Directory) -> None:
        path = self.url(directory)
        for name in ("", "x" * 5000, "%C3%BF", "%FF%FE", "%ED%A0%80", "a%20b", "-", "10.0.0.0_0", "..."):
            self.server.call(f"{path}/{name}", body=b"\xff" * 500_000)
        for name in ("deep/" * 200, "deep/folder/", "deep/key", "flags?flags=18446744073709551615"):
            self.server.call(f"{path}/{name}")
        self.server.call(path, body=b"the directory's name as a key")
        self.server.call(f"{path}-2/10.0.0.99", body=b"a directory whose name begins alike")
        for name in ("line\nbreak", "\x00", "\ud7ff\U0001f600", "\x7f\x1b[31m"):  # PUT refuses them
            key = directory.path(self.prefix).strip("/") + f"/{name}"
            self.server.call("txn", body=[{"KV": {"Verb": "set", "Key": key, "Value": "AAAA"}}])

    def kill(self) -> None:
        self.server.kill()

    def start(self) -> None:
        self.server.start()

    def pause(self) -> None:
        self.server.pause()

    def resume(self) -> None:
        self.server.resume()

    def close(self) -> None:
        self.server.call(f"session/destroy/{self.foreign}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consul]:
    server = Consul(tmp_path_factory.mktemp("consul"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(server: Consul) -> Iterator[ConsulUnderTest]:
    if not server.process.running:  # a test before this one has failed
        server.start()
    store = ConsulUnderTest(server)
    yield store
    store.close()


class TestConsul(BackendContract):
    """All that holds for a store that is well."""


class TestConsulProcesses(ProcessDeath):
    """Agents that die without a word."""


class TestConsulFaults(ServerFaults):
    """A server that dies or freezes."""
