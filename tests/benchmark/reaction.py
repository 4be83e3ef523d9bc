"""Measure the time from the store's event to the command for ExaBGP, compared with a plain kazoo watch.

`python -m tests.benchmark.reaction` compares them with 3 and with 300 VIPs.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kazoo.client import KazooClient

from tests.benchmark.program import Program
from tests.servers.zookeeper import ZooKeeper

ORPHAN = "10.20.255.2"
DIRECTORY = "/exabgp/service/apex"
MEMBER = f"{DIRECTORY}/{ORPHAN}"


def _arguments(address: str, vips: int) -> list[str]:
    return [
        "vipagent",
        "run",
        "--backend=zookeeper",
        f"--hosts={address}",
        "--service=apex",
        "--node=bench",
        "--auth-ip=10.20.255.1",
        *(f"--vip={vip}" for vip in _other_vips(vips)),
        "--settle=0",
        "--rise=1",
        "--release-delay=0.01",
        "--address-check=false",
    ]


def _other_vips(vips: int) -> list[str]:
    """Return the VIPs of the other nodes; the first one loses its owner."""
    return [f"10.20.{255 - number // 200}.{2 + number % 200}" for number in range(vips - 1)]


@contextmanager
def zookeeper(folder: Path) -> Iterator[str]:
    """Run a ZooKeeper; yield its address."""
    server = ZooKeeper(folder / "zookeeper")
    server.start()
    try:
        yield server.address
    finally:
        server.stop()


def takeovers(folder: Path, rounds: int = 500, vips: int = 2) -> tuple[float, float]:
    """Return median and 99th percentile in seconds from a deregistration to the announcement."""
    times, _ = compare_with_kazoo(folder, rounds, vips)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def compare_with_kazoo(folder: Path, rounds: int, vips: int) -> tuple[list[float], list[float]]:
    """Return the seconds from each deregistration to the announcement, and to the line of a kazoo watch.

    Both watch the same server at the same time, in separate processes.

    Args:
        folder: directory of server and logs.
        rounds: number of takeovers.
        vips: number of VIPs of the service.
    """
    with zookeeper(folder) as address:
        client = KazooClient(address)
        client.start(10)
        for vip in _other_vips(vips):
            client.create(f"{DIRECTORY}/{vip}", ephemeral=True, makepath=True)
        watcher_arguments = ["tests.benchmark.watcher", address, DIRECTORY]
        try:
            with (
                Program(_arguments(address, vips), folder / "reaction.log") as agent,
                Program(watcher_arguments, folder / "watcher.log") as watcher,
            ):
                agent.wait_for("announce", 0.0)
                watcher.wait_for("present", 0.0)
                times = [_measure_once(client, agent, watcher) for _ in range(rounds)]
        finally:
            client.stop()
            client.close()
    return [of_agent for of_agent, _ in times], [of_kazoo for _, of_kazoo in times]


def _measure_once(client: KazooClient, agent: Program, watcher: Program) -> tuple[float, float]:
    start = time.monotonic()
    client.delete(MEMBER)
    of_agent = agent.wait_for(f"announce route {ORPHAN}", start).at - start
    of_kazoo = watcher.wait_for(f"absent {ORPHAN}", start).at - start
    start = time.monotonic()
    client.create(MEMBER, ephemeral=True)
    agent.wait_for(f"withdraw route {ORPHAN}", start)
    watcher.wait_for(f"present {ORPHAN}", start)
    return of_agent, of_kazoo


def main() -> None:
    """Print the times of the agent and of kazoo alone, and their ratio."""
    for vips in (3, 300):
        with tempfile.TemporaryDirectory() as folder:
            of_agent, of_kazoo = map(statistics.median, compare_with_kazoo(Path(folder), 300, vips))
        ratio = of_agent / of_kazoo
        print(
            f"{vips} VIPs: {of_agent * 1000:.1f} ms, kazoo alone {of_kazoo * 1000:.1f} ms: {ratio:.2f} times"
        )


if __name__ == "__main__":
    main()
