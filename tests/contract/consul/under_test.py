"""Consul as a store under test, and a foreign client."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from urllib.parse import quote

from tests.contract.served import OnServer
from tests.contract.sessions import begun
from tests.servers.consul import Consul
from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.testing.peers import Peer, Peers
from vipagent_consul import ConsulDriver

LIFE = 4.0
PREFIXES = count(1)


@contextmanager
def opened(store: "ConsulUnderTest") -> Iterator[Peer]:
    """Yield an agent with a registration and a watch; its login may fail."""
    peers = Peers(store)
    yield begun(peers.make("node1"))
    peers.close()


class ConsulUnderTest(OnServer[Consul]):
    """A server, a new prefix for each test, and a foreign client with a separate session."""

    factory = ConsulDriver
    expiry = LIFE + 1.0

    def __init__(
        self,
        server: Consul,
        options: Mapping[str, object] | None = None,
        hosts: tuple[str, ...] = (),
        prefix: str = "",
        life: float = LIFE,
    ) -> None:
        """Create the foreign client's session.

        Args:
            server: a running server.
            options: options of the backend.
            hosts: hosts of the backend; default: this server.
            prefix: prefix of another store, to share it.
            life: session timeout in seconds.
        """
        self.server = server
        self.options = dict(options or {})
        self.hosts = hosts or (server.address,)
        self.prefix = prefix or f"/test{next(PREFIXES)}"
        self.life = life
        created = server.call("session/create", body={"Behavior": "delete", "NodeChecks": []})
        assert isinstance(created, dict)
        self.foreign = created["ID"]

    def settings(self, node: str, instance: str) -> StoreSettings:
        return StoreSettings(node, instance, self.hosts, self.prefix, self.life, self.options)

    def url(self, key: Key | Directory) -> str:
        return f"kv{quote(key.path(self.prefix))}"

    def create_foreign(self, key: Key, value: bytes) -> None:
        assert self.server.call(f"{self.url(key)}?acquire={self.foreign}", body=value) is True

    def delete(self, key: Key) -> None:
        self.server.call(self.url(key), "DELETE")

    def overwrite(self, key: Key, value: bytes) -> None:
        self.server.call(self.url(key), body=value)

    def write_garbage(self, directory: Directory) -> None:
        path = self.url(directory)
        for name in ("", "x" * 5000, "%C3%BF", "%FF%FE", "%ED%A0%80", "a%20b", "-", "10.0.0.0_0", "..."):
            self.server.call(f"{path}/{name}", body=b"\xff" * 100_000)
        self.server.call(f"{path}/as-much-as-consul-takes", body=b"\x00" * 512 * 1024)
        for name in ("deep/" * 200, "deep/folder/", "deep/key", "flags?flags=18446744073709551615"):
            self.server.call(f"{path}/{name}")
        self.server.call(path, body=b"the directory's name as a key")
        self.server.call(f"{path}-2/10.0.0.99", body=b"a directory whose name begins alike")
        for name in ("line\nbreak", "\x00", "\ud7ff\U0001f600", "\x7f\x1b[31m"):  # PUT refuses them
            key = directory.path(self.prefix).strip("/") + f"/{name}"
            self.server.call("txn", body=[{"KV": {"Verb": "set", "Key": key, "Value": "AAAA"}}])

    def sessions(self, node: str) -> list[dict[str, object]]:
        """Return Consul's list of a node's sessions."""
        found = self.server.call("session/list", "GET")
        assert isinstance(found, list)
        return [each for each in found if each["Name"] == f"vipagent {node}"]
