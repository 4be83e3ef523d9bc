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
        names = ("line%0Abreak", "x" * 5000, "%C3%BF", "%FF%FE", "%ED%A0%80", "a%20b", "-", "10.0.0.0_0", "...")
        for name in ("", *names, "deep/" * 200, f"deep/{'x' * 500}/key"):
            self.server.call(f"{path}/{name}", body=b"\xff" * 500_000)
        self.server.call(path, body=b"the directory's name as a key")
        self.server.call(f"{path}-2/10.0.0.99", body=b"a directory whose name begins alike")
        self.server.call(f"{path}/flags?flags=18446744073709551615", body=b"")

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
