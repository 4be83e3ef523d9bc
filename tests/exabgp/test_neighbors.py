"""A load balancer with several BGP neighbours (E5, N1)."""

import time
from pathlib import Path

from tests.exabgp.box import ADDRESS, OTHERS_ROUTE, Box, boxes
from tests.exabgp.lab import agent
from tests.servers import bird
from tests.servers.bird import Bird, Peer
from tests.servers.exabgp import VERSIONS, ExaBGP, Settings
from tests.servers.process import free_port, wait_for

VIP = "10.20.255.1"
REGISTERED, DEREGISTERED = " register service=apex", "deregister service=apex"
NEIGHBORS, FLAPPING = 100, 5
"""Number of neighbours, and how many of them flap."""
FLAP_SECONDS = 20
MAX_LINES = 6
"""Maximum number of log lines of a flapping neighbour: five changes and the warning that it flaps."""


def configure(box: Box, require_bgp: int) -> None:
    box.configure({"apex": {"auth_ip": VIP, "rise": 1, "settle": 0, "require_bgp": require_bgp}})


def test_the_gate_requires_both_neighbors(tmp_path: Path) -> None:
    with boxes(tmp_path, switch_asns=(bird.ASN, bird.ASN + 500)) as both:
        for box in both:
            configure(box, require_bgp=2)
            box.launch()
        for box in both:
            box.wait_for_log(REGISTERED)
            box.switches[1].disable("node1")
        for box in both:
            box.wait_for_log(DEREGISTERED)
            assert box.table() == {OTHERS_ROUTE: None, VIP: 100}, "a closed gate withdraws nothing"
            box.switches[1].enable("node1")
        for box in both:
            box.wait_for_log(REGISTERED, count=2, within=20)


def test_one_of_two_neighbors_is_enough_by_default(tmp_path: Path) -> None:
    with boxes(tmp_path, switch_asns=(bird.ASN, bird.ASN + 500)) as both:
        for box in both:
            configure(box, require_bgp=1)
            box.launch()
        for box in both:
            box.wait_for_log(REGISTERED)
            box.switches[0].disable("node1")
        for box in both:
            box.wait_for_log("established=False")
            assert f"{VIP}/32" in box.switches[1].routes()
            assert DEREGISTERED not in box.agent_log()
            box.switches[1].disable("node1")
        for box in both:
            box.wait_for_log(DEREGISTERED)


class Fabric:
    """A load balancer with many neighbours, which are the sessions of one switch."""

    def __init__(self, directory: Path, version: str) -> None:
        # BIRD has one session per address and port; ExaBGP listens on the first one, and connects otherwise.
        port = free_port(ADDRESS, NEIGHBORS)
        peers = [
            Peer(f"session{number}", ADDRESS, bird.ASN + 1, port + number - 1, f"127.0.1.{number}")
            for number in range(1, NEIGHBORS + 1)
        ]
        self.switch = Bird(directory / "switch", "127.0.0.100", peers)
        store = ("--backend", "file", "--hosts", str(directory / "store"))
        service = ("--service", "apex", "--node", "node1", "--auth-ip", VIP, "--rise", "1", "-c", "true")
        command = agent("run", *store, *service)
        (directory / "store").mkdir()
        self.exabgp = ExaBGP(
            Settings(version), directory / "node1", peers[0], self.switch.neighbors, {"agent": command}
        )

    def established(self) -> int:
        """Return the number of neighbours that have the VIP's route."""
        return len(self.switch.routes().get(f"{VIP}/32", []))

    def log(self) -> str:
        """Return the agent's log."""
        return self.exabgp.stderr_of("agent")


def test_the_log_of_flapping_neighbors_is_bounded(tmp_path: Path) -> None:
    fabrics = [Fabric(_made(tmp_path / version), version) for version in VERSIONS]
    try:
        for fabric in fabrics:
            fabric.switch.start()
            fabric.exabgp.start()
        for fabric in fabrics:
            wait_for("all have the route", lambda: fabric.established() == NEIGHBORS, 20)  # noqa: B023
            wait_for("it is registered", lambda: REGISTERED in fabric.log())  # noqa: B023
        before = [len(fabric.log().splitlines()) for fabric in fabrics]
        until = time.monotonic() + FLAP_SECONDS
        while time.monotonic() < until:
            for fabric in fabrics:
                for number in range(1, FLAPPING + 1):
                    fabric.switch.ask(f"restart session{number}")
            time.sleep(1)
        for fabric, lines in zip(fabrics, before, strict=True):
            wait_for("all have the route again", lambda: fabric.established() == NEIGHBORS, 30)  # noqa: B023
            added = fabric.log().splitlines()[lines:]
            assert sum("established=False" in line for line in added) >= FLAPPING
            assert len(added) <= FLAPPING * MAX_LINES, "\n".join(added)
            assert sum("is flapping" in line for line in added) == FLAPPING
            assert DEREGISTERED not in fabric.log()
    finally:
        for fabric in fabrics:
            fabric.exabgp.stop()
            fabric.switch.stop()


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
