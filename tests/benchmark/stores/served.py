"""The four stores as an agent is told about them, each served by a real server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmark.program import Program
from tests.servers.consul import Consul
from tests.servers.etcd import Etcd
from tests.servers.zookeeper import ZooKeeper


@dataclass(frozen=True, slots=True)
class Served:
    """A store that runs."""

    backend: str
    hosts: str
    life: float
    """Seconds: the shortest session that is safe on a server with default settings."""
    port: int = 0
    """Where its server listens; 0: it has none."""


@contextmanager
def file(folder: Path) -> Iterator[Served]:
    """Serve a directory: the kernel ends a registration together with its process, whatever its life."""
    yield Served("file", str(folder / "file"), 2.0)


@contextmanager
def zookeeper(folder: Path) -> Iterator[Served]:
    """Run a ZooKeeper: a session lives for two ticks of 2 s at least."""
    server = ZooKeeper(folder / "zookeeper")
    try:
        server.start()
        yield Served("zookeeper", server.address, 4.0, server.port)
    finally:
        server.stop()


@contextmanager
def etcd(folder: Path) -> Iterator[Served]:
    """Run an etcd: a lease lives for 1.5 election timeouts at least, in whole seconds."""
    server = Etcd(folder / "etcd")
    try:
        server.start()
        yield Served("etcd", server.address, 2.0, server.port)
    finally:
        server.stop()


@contextmanager
def consul(folder: Path) -> Iterator[Served]:
    """Run a Consul: sessions end with a check of the agent's own service."""
    server = Consul(folder / "consul")
    try:
        server.start()
        yield Served("consul", server.address, 2.0, server.port)
    finally:
        server.stop()


ALL = (file, zookeeper, etcd, consul)


def vip(node: int) -> str:
    """Return the VIP that the n-th node owns."""
    return f"10.20.255.{node}"


def agent(folder: Path, store: Served, node: int, *options: str, hosts: str = "") -> Program:
    """Start the agent of the n-th of three nodes; ExaBGP is played.

    Args:
        folder: for its log.
        store: where it registers.
        node: 1, 2 or 3.
        options: more of its options.
        hosts: where it finds the store, if not where that listens.
    """
    arguments = ["run", "--service=apex", f"--node=node{node}", f"--auth-ip={vip(node)}"]
    arguments += [f"--vip={vip(other)}" for other in (1, 2, 3)]
    arguments += [f"--backend={store.backend}", f"--hosts={hosts or store.hosts}", "--settle=0", "--rise=1"]
    return Program(["vipagent", *arguments, *options], folder / f"{store.backend}-node{node}.log")
