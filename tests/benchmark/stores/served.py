"""The four stores with real servers, and agents that use them."""

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
    """A running store."""

    backend: str
    hosts: str
    session_timeout: float
    """Shortest safe session timeout in seconds with default server settings."""
    port: int = 0
    """Port of its server; 0: no server."""


@contextmanager
def file(folder: Path) -> Iterator[Served]:
    """Use a directory: the kernel releases locks at the exit of a process, regardless of the timeout."""
    yield Served("file", str(folder / "file"), 2.0)


@contextmanager
def zookeeper(folder: Path) -> Iterator[Served]:
    """Run a ZooKeeper: the minimum session timeout is two ticks of 2 s."""
    server = ZooKeeper(folder / "zookeeper")
    try:
        server.start()
        yield Served("zookeeper", server.address, 4.0, server.port)
    finally:
        server.stop()


@contextmanager
def etcd(folder: Path) -> Iterator[Served]:
    """Run an etcd: the minimum TTL of a lease is 1.5 election timeouts, in whole seconds."""
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
    """Start the agent of one of three nodes, with the benchmark as ExaBGP.

    Args:
        folder: directory of its log.
        store: its store.
        node: 1, 2 or 3.
        options: additional options.
        hosts: hosts instead of the store's, for example a proxy.
    """
    arguments = ["run", "--service=apex", f"--node=node{node}", f"--auth-ip={vip(node)}"]
    arguments += [f"--vip={vip(other)}" for other in (1, 2, 3)]
    arguments += [f"--backend={store.backend}", f"--hosts={hosts or store.hosts}", "--settle=0", "--rise=1"]
    arguments += ["--address-check=false"]
    return Program(["vipagent", *arguments, *options], folder / f"{store.backend}-node{node}.log")
