"""How long it takes from the store's event to the line for ExaBGP."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kazoo.client import KazooClient

from tests.benchmark.program import Program
from tests.servers.zookeeper import ZooKeeper

ORPHAN = "10.20.255.2"
OPTIONS = [
    "--service=apex",
    "--node=bench",
    "--auth-ip=10.20.255.1",
    f"--vip={ORPHAN}",
    "--settle=0",
    "--rise=1",
]
MEMBER = f"/exabgp/service/apex/{ORPHAN}"


@contextmanager
def zookeeper(folder: Path) -> Iterator[str]:
    """Run a ZooKeeper; yields its address."""
    server = ZooKeeper(folder / "zookeeper")
    server.start()
    try:
        yield server.address
    finally:
        server.stop()


def take_overs(folder: Path, rounds: int = 500) -> tuple[float, float]:
    """Return median and 99th percentile in seconds, from the end of a member to the announcement's line."""
    with zookeeper(folder) as address:
        client = KazooClient(address)
        client.start(10)
        client.create(MEMBER, ephemeral=True, makepath=True)
        arguments = [
            "vipagent",
            "run",
            "--backend=zookeeper",
            f"--hosts={address}",
            *OPTIONS,
            "--release-delay=0.01",
        ]
        try:
            with Program(arguments, folder / "reaction.log") as agent:
                agent.wait_for("announce", 0.0)
                times = [_once(client, agent) for _ in range(rounds)]
        finally:
            client.stop()
            client.close()
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def _once(client: KazooClient, agent: Program) -> float:
    start = time.monotonic()
    client.delete(MEMBER)
    seconds = agent.wait_for(f"announce route {ORPHAN}", start).at - start
    start = time.monotonic()
    client.create(MEMBER, ephemeral=True)
    agent.wait_for(f"withdraw route {ORPHAN}", start)
    return seconds
