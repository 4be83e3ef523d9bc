"""A load balancer with Debian 13: its ExaBGP runs the installed package, with ZooKeeper and a switch."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.deb.root import ENVIRONMENT, Root
from tests.servers.bird import Bird, Peer
from tests.servers.process import Process, free_port, wait_for
from tests.servers.realtime import family
from tests.servers.zookeeper import ZooKeeper

pytestmark = pytest.mark.timeout(2400)  # the first test waits for its root
SWITCH, SWITCH_AS = "127.0.0.100", 64500
ADDRESS, BOX_AS = "127.0.0.11", 64501
CONFIG = "/etc/vipagent/vipagent.yaml"
OWN, OTHERS = "198.51.100.1", ("198.51.100.2", "198.51.100.3")
"""As the examples have it."""
SERVING = {OWN: 100, **dict.fromkeys(OTHERS, 200)}
"""MED of each VIP announced by the only node."""


class Balancer:
    """The load balancer with switch and store, configured with the package's examples."""

    def __init__(self, root: Root, directory: Path) -> None:
        self.root = root
        self.zookeeper = ZooKeeper(directory / "zookeeper", tick=1000)
        peer = Peer("node1", ADDRESS, BOX_AS, free_port(ADDRESS))
        self.switch = Bird(directory / "switch", SWITCH, [peer], asn=SWITCH_AS)
        self._configure()
        settings = {
            "HOME": "/run/exabgp",
            "exabgp_tcp_bind": ADDRESS,
            "exabgp_tcp_port": str(peer.port),
            "exabgp_log_level": "INFO",
        }
        command = root.command("/usr/sbin/exabgp", "/etc/exabgp/exabgp.conf", user="exabgp:exabgp")
        self.exabgp = Process("exabgp", command, directory / "exabgp.log", ENVIRONMENT | settings)

    def _configure(self) -> None:
        """Run the steps of README.Debian."""
        examples = Path("usr/share/doc/vipagent/examples")
        self._copy("etc/vipagent/vipagent.yaml.example", CONFIG[1:])
        self._copy(str(examples / "exabgp-node1.conf"), "etc/exabgp/exabgp.conf")

    def _copy(self, source: str, target: str) -> None:
        """Copy an example with changed addresses and paths, longer addresses first."""
        replaced = {
            **{f"192.0.2.{number}:2181": self.zookeeper.address for number in (21, 22, 23)},
            "192.0.2.11": ADDRESS,
            "192.0.2.1": SWITCH,
            "connect 179;": f"connect {self.switch.port};",
            "http://127.0.0.1:8080/healthz": f"tcp://{self.zookeeper.address}",
            "/etc/vipagent/node1.yaml": CONFIG,
        }
        text = self.root.path.joinpath(source).read_text()
        for old, new in replaced.items():
            text = text.replace(old, new)
        self.root.path.joinpath(target).write_text(text)

    def table(self) -> dict[str, int | None]:
        """Return the MED of each VIP at the switch."""
        return {prefix.removesuffix("/32"): routes[0].med for prefix, routes in self.switch.routes().items()}

    def wait_for(self, table: dict[str, int], within: float) -> None:
        """Wait until the switch has exactly these routes."""
        try:
            wait_for(f"the table is {table}", lambda: self.table() == table, within)
        except AssertionError as error:
            raise AssertionError(f"{error}; found {self.table()}\n{self.exabgp.output()[-5000:]}") from None

    def operate(self, *words: str) -> str:
        """Run an operator command in the root."""
        return self.root.run("vipagent", *words, "--config", CONFIG)

    def status(self) -> dict[str, Any]:
        """Return the service's status."""
        [service] = json.loads(self.operate("status", "apex", "--json"))
        assert isinstance(service, dict)
        return service


@pytest.fixture(scope="module")
def balancer(installed: Root, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    with ExitStack() as stack:
        balancer = Balancer(installed, tmp_path_factory.mktemp("balancer"))
        for server in (balancer.zookeeper, balancer.switch):
            stack.callback(server.stop)
            server.start()
        stack.callback(balancer.exabgp.kill)
        balancer.exabgp.start()
        balancer.wait_for(SERVING, 60)
        yield balancer


def test_the_status_names_the_owner_and_what_was_taken_over(balancer: Balancer) -> None:
    vips = {vip["vip"]: vip for vip in balancer.status()["vips"]}
    assert vips[OWN]["owner"] == "node1"
    announced = {vip: [(by["node"], by["rank"]) for by in vips[vip]["announced_by"]] for vip in vips}
    assert announced == {OWN: [("node1", 0)], **{vip: [("node1", 1)] for vip in OTHERS}}
    reasons = {by["reason"] for vip in vips.values() for by in vip["announced_by"]}
    assert reasons == {"no-address"}, "the VIPs are addresses of no interface of this machine"


def test_it_runs_as_exabgp_s_user(balancer: Balancer) -> None:
    user = balancer.root.run("id", "--user", "exabgp").strip()
    running = processes(family(balancer.exabgp.pid))
    assert [uid for command, uid in running if f"vipagent run --config {CONFIG}" in command] == [user]


def processes(pids: Iterable[int]) -> Iterator[tuple[str, str]]:
    """Yield each process's command and user."""
    for pid in pids:
        process = Path(f"/proc/{pid}")
        with suppress(OSError):  # it has exited
            status = process.joinpath("status").read_text()
            command = process.joinpath("cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            yield command, status.partition("\nUid:\t")[2].split()[0]


def test_it_records_its_routes(balancer: Balancer) -> None:
    [record] = balancer.root.path.joinpath("var/lib/vipagent").iterdir()
    assert all(vip in record.read_text() for vip in SERVING)
    assert "state directory" not in balancer.exabgp.output()


def test_maintenance_withdraws_all_of_it(balancer: Balancer) -> None:
    there = ("apex", "--node", "node1")
    balancer.operate("maintenance", "on", *there, "--reason", "a new kernel", "--wait")
    balancer.wait_for({}, 5)
    (node,) = balancer.status()["nodes"]
    assert "a new kernel" in node["why"]
    balancer.operate("maintenance", "off", *there)
    balancer.wait_for(SERVING, 30)
