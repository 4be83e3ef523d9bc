"""etcd as a store under test, and a foreign client."""

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
"""Metric that counts a server's keep-alives."""


def b64(data: bytes | str) -> str:
    """Encode bytes for the gateway."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


class EtcdUnderTest(OnServer[Etcd]):
    """A server, a new prefix for each test, and a foreign client with a separate lease."""

    factory = EtcdDriver
    expiry = LIFE + 5.0
    """A server checks for expired leases every 0.5 s, by the wall clock and then by the monotonic clock.
    If they differ, because the wall clock was set, it checks again after 3 s (lessor.go of etcd 3.4)."""

    def __init__(
        self,
        server: Etcd,
        options: Mapping[str, object] | None = None,
        hosts: tuple[str, ...] = (),
        life: float = LIFE,
    ) -> None:
        """Create the foreign client's lease.

        Args:
            server: the server, also used by the foreign client.
            options: options of the backend.
            hosts: hosts of the backend; default: the server.
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
        """Put any key and value."""
        self.server.ask("/v3/kv/put", {"key": b64(key), "value": b64(value), **fields})

    def get(self, key: Key) -> dict[str, Any]:
        """Return a key in the gateway's format; empty if it does not exist."""
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
