"""Real stores, and their content as read by a foreign client, without our backends."""

import base64
import fcntl
import json
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from tests.servers.consul import Consul
from tests.servers.etcd import Etcd
from tests.servers.zookeeper import ZooKeeper

PREFIX = "/exabgp"
STORE_TIMEOUT = 60.0
LOCK = struct.Struct("hhlli0l")
"""struct flock of fcntl(2)."""


@dataclass(frozen=True, slots=True, order=True)
class Stored:
    """One key of a store."""

    path: str
    """Includes the prefix; Consul's paths begin without a slash."""
    value: str
    ephemeral: bool
    """Whether it is ephemeral, by owner, lease, session or lock."""


class Store(ABC):
    """One store for agents."""

    name: str
    """Name of the backend."""
    host: str
    """`hosts` of the agents."""

    @abstractmethod
    def read(self) -> Iterator[Stored]:
        """Yield all entries below the prefix."""


class InZooKeeper(Store):
    name = "zookeeper"

    def __init__(self, host: str, client: KazooClient) -> None:
        self.host, self._client = host, client

    def read(self) -> Iterator[Stored]:
        return self._below(PREFIX)

    def _below(self, path: str) -> Iterator[Stored]:
        try:
            names = self._client.get_children(path)
            for name in names:
                yield from self._below(f"{path}/{name}")
            value, status = self._client.get(path)
        except NoNodeError:
            return
        if not names and path.count("/") > PREFIX.count("/") + 2:  # not a directory
            yield Stored(path, value.decode(), status.ephemeralOwner != 0)


class InEtcd(Store):
    name = "etcd"

    def __init__(self, server: Etcd) -> None:
        self.host, self._server = server.address, server

    def read(self) -> Iterator[Stored]:
        start, end = (base64.b64encode(f"{PREFIX}{after}".encode()).decode() for after in "/0")
        key_range = {"key": start, "range_end": end}
        for entry in self._server.ask("/v3/kv/range", key_range, within=STORE_TIMEOUT).get("kvs", ()):
            path, value = (base64.b64decode(entry.get(field, "")).decode() for field in ("key", "value"))
            yield Stored(path, value, "lease" in entry)


class InConsul(Store):
    name = "consul"

    def __init__(self, server: Consul) -> None:
        self.host, self._server = server.address, server

    def read(self) -> Iterator[Stored]:
        reply = self._server.ask(f"kv{PREFIX}/?recurse", within=STORE_TIMEOUT)
        for entry in json.loads(reply or b"[]"):
            value = base64.b64decode(entry["Value"] or "").decode()
            yield Stored(entry["Key"], value, "Session" in entry)


class InFiles(Store):
    name = "file"

    def __init__(self, directory: Path) -> None:
        self.host, self._directory = str(directory), directory

    def read(self) -> Iterator[Stored]:
        for file in self._directory.rglob("*"):
            if file.is_file() and not file.name.startswith("."):
                with file.open("rb") as stream:
                    value, locked = stream.read().decode(), is_locked(stream.fileno())
                yield Stored(f"/{file.relative_to(self._directory)}", value, locked)


def is_locked(descriptor: int) -> bool:
    """Return whether another process has locked the whole file."""
    request = LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    reply: bytes = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, request)
    return bool(LOCK.unpack(reply)[0] != fcntl.F_UNLCK)


def lock(descriptor: int) -> None:
    """Lock the whole file until it is closed, like an agent with an ephemeral entry."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))


@contextmanager
def zookeeper(directory: Path) -> Iterator[Store]:
    server = ZooKeeper(directory)
    server.start()
    client = KazooClient(server.address)
    try:
        client.start(30)
        yield InZooKeeper(server.address, client)
    finally:
        client.stop()
        client.close()
        server.stop()


@contextmanager
def etcd(directory: Path) -> Iterator[Store]:
    server = Etcd(directory)
    server.start()
    try:
        yield InEtcd(server)
    finally:
        server.stop()


@contextmanager
def consul(directory: Path) -> Iterator[Store]:
    server = Consul(directory)
    server.start()
    try:
        yield InConsul(server)
    finally:
        server.stop()


@contextmanager
def files(directory: Path) -> Iterator[Store]:
    directory.mkdir()
    yield InFiles(directory)


STORES = {"zookeeper": zookeeper, "etcd": etcd, "consul": consul, "file": files}
