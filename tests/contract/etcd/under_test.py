"""etcd as the contract suite, and the tests of this backend's own, know it."""

import base64
from collections.abc import Mapping
from itertools import count
from typing import Any

from tests.contract.served import OnServer
from tests.servers.etcd import Etcd
from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent_etcd import EtcdDriver

LIFE = 3.0
PREFIXES = count(1)
RENEWED = "etcd_debugging_lease_renewed_total"
"""A server's count of keep-alives."""


def b64(data: bytes | str) -> str:
    """Return what the gateway takes for bytes."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


class EtcdUnderTest(OnServer[Etcd]):
    """A server, a new prefix for each test, and a foreign client with a separate lease."""

    factory = EtcdDriver
    expiry = LIFE + 5.0
    """A server looks for expired leases every 0.5 s, by the wall clock, then by the monotonic one; if they
    differ, because the former was set in the meantime, it looks again after 3 s (lessor.go of etcd 3.4)."""

    def __init__(
        self,
        server: Etcd,
        options: Mapping[str, object] | None = None,
        hosts: tuple[str, ...] = (),
        life: float = LIFE,
    ) -> None:
        """Prepare.

        Args:
            server: the one that is disturbed, and that the foreign client asks.
            options: of the backend.
            hosts: of the backend; by default the server.
            life: session timeout in seconds.
        """
        self.server = server
        self.prefix = f"/test{next(PREFIXES)}"
        self.options = dict(options or {})
        self.hosts = hosts or (server.address,)
        self.life = life
        self.lease = server.ask("/v3/lease/grant", {"TTL": 600})["ID"]

    def settings(self, node: str, instance: str) -> StoreSettings:
        return StoreSettings(node, instance, self.hosts, self.prefix, self.life, self.options)

    def create_foreign(self, key: Key, value: bytes) -> None:
        self.put(key.path(self.prefix).encode(), value, lease=self.lease)

    def put(self, key: bytes, value: bytes, **fields: object) -> None:
        """Put anything anywhere."""
        self.server.ask("/v3/kv/put", {"key": b64(key), "value": b64(value), **fields})

    def get(self, key: Key) -> dict[str, Any]:
        """Return what the gateway says about a key; empty if it is not there."""
        found = self.server.ask("/v3/kv/range", {"key": b64(key.path(self.prefix))})
        fields: dict[str, Any] = next(iter(found.get("kvs", ())), {})
        return fields

    def delete(self, key: Key) -> None:
        self.server.ask("/v3/kv/deleterange", {"key": b64(key.path(self.prefix))})

    def overwrite(self, key: Key, value: bytes) -> None:
        self.put(key.path(self.prefix).encode(), value, ignore_lease=True)

    def write_garbage(self, directory: Directory) -> None:
        path = directory.path(self.prefix).encode()
        names = (
            b"",
            b"line\nbreak",
            b"\x00",
            b"\xff\xfe",
            b"x" * 5000,
            "日本語".encode(),
            b"..",
            b"10.0.0.0_0",
        )
        for name in names:
            self.put(path + b"/" + name, b"\xff" * 900_000)
        self.put(path, b"the directory itself")
        self.put(path + b"/deep" * 500, b"")
