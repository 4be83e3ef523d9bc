"""The files in conf/, with changed addresses, ports and paths, on three load balancers."""

import json
import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.exabgp.lab import OWN, SWITCH, TAKEN, Table, agent
from tests.exabgp.namespace import ip
from tests.servers.bird import Bird, Peer
from tests.servers.exabgp import VERSIONS, Settings, environment, executable
from tests.servers.process import Process, free_port, wait_for
from tests.servers.zookeeper import ZooKeeper
from vipagent.testing.slowness import allowed

CONF = Path(__file__).parents[2] / "conf"
VIPS_ARE_LOCAL = os.geteuid() == 0
"""Whether the test may add a route to its own network namespace (`tests/alone`)."""
SWITCH_AS, BOX_AS = 64500, 64501
SESSION_TIMEOUT, HOLD_TIME = 6, 9
"""Session timeout and hold time in seconds, as in the files."""


class HealthHandler(BaseHTTPRequestHandler):
    """The checked service."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Node:
    """One load balancer with copies of its two files."""

    def __init__(self, name: str, directory: Path, version: str, peer: Peer) -> None:
        self.name = name
        self.config = directory / f"{name}.yaml"
        self.vip = f"198.51.100.{name[-1]}"
        scripts = sysconfig.get_path("scripts")  # where `vipagent` is
        env = environment(Settings(version), peer)
        env["PATH"] = f"{scripts}:{os.environ['PATH']}"
        command = [str(executable(version)), str(directory / f"exabgp-{name}.conf")]
        self.exabgp = Process(f"exabgp-{name}", command, directory / f"{name}.log", env)

    def crash(self) -> None:
        """Kill the agent and ExaBGP together with SIGKILL."""
        self.exabgp.signal(signal.SIGSTOP)  # so that it does not restart the agent
        pid = self.exabgp.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self.exabgp.kill()


class Rack:
    """Three load balancers of one ExaBGP version, with switch, ZooKeeper and the checked service."""

    def __init__(self, directory: Path, version: str) -> None:
        self.version = version
        self.zookeeper = ZooKeeper(directory / "zookeeper", tick=1000)
        peers = [
            Peer(f"node{n}", f"127.0.0.{10 + n}", BOX_AS, free_port(f"127.0.0.{10 + n}")) for n in (1, 2, 3)
        ]
        self.switch = Bird(directory / "switch", SWITCH, peers, asn=SWITCH_AS)
        self.web = ThreadingHTTPServer(("127.0.0.1", 0), HealthHandler)
        self._copy(directory)
        self.nodes = [Node(peer.name, directory, version, peer) for peer in peers]

    def _copy(self, directory: Path) -> None:
        """Copy the files, with these replacements, longer addresses first."""
        replacements = {
            **{f"192.0.2.{number}:2181": self.zookeeper.address for number in (21, 22, 23)},
            **{f"192.0.2.{number}": f"127.0.0.{number}" for number in (11, 12, 13)},
            "192.0.2.1": SWITCH,
            "connect 179;": f"connect {self.switch.port};",
            "http://127.0.0.1:8080/": f"http://127.0.0.1:{self.web.server_port}/",
            "/etc/vipagent/": f"{directory}/",
            "/run/vipagent/": f"{directory}/",
        }
        for source in CONF.iterdir():
            text = source.read_text()
            for old, new in replacements.items():
                text = text.replace(old, new)
            (directory / source.name).write_text(text)

    def launch(self) -> None:
        """Start all processes without waiting; the VIPs are addresses of this machine."""
        if VIPS_ARE_LOCAL:
            ip("route", "replace", "local", "198.51.100.0/24", "dev", "lo")
        Thread(target=self.web.serve_forever, daemon=True).start()
        self.zookeeper.launch()
        self.switch.start()
        for node in self.nodes:
            node.exabgp.start()

    def stop(self) -> None:
        """Stop all processes."""
        for node in self.nodes:
            node.exabgp.terminate()
        self.switch.stop()
        self.zookeeper.stop()
        self.web.shutdown()
        self.web.server_close()

    def table(self) -> Table:
        """Return the MED by VIP and announcing node."""
        return {
            prefix.removesuffix("/32"): {route.peer: route.med for route in routes}
            for prefix, routes in self.switch.routes().items()
        }

    def wait_for(self, what: str, table: Table, within: float) -> None:
        """Wait until the switch has exactly these routes."""
        try:
            wait_for(what, lambda: self.table() == table, within)
        except AssertionError as error:
            output = "\n".join(node.exabgp.output()[-3000:] for node in self.nodes)
            raise AssertionError(f"ExaBGP {self.version}: {error}; found {self.table()}\n{output}") from None


@pytest.fixture(scope="module")
def racks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Rack]]:
    with ExitStack() as stack:
        racks = [Rack(tmp_path_factory.mktemp(f"conf{version}"), version) for version in VERSIONS]
        for rack in racks:
            stack.callback(rack.stop)
            rack.launch()
        yield racks


def operate(*words: str) -> str:
    """Run an operator command; return its output."""
    done = subprocess.run(agent(*words), capture_output=True, text=True, timeout=allowed(60), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_files_work_on_three_load_balancers(racks: list[Rack]) -> None:
    for rack in racks:
        converged = {node.vip: {node.name: OWN} for node in rack.nodes}
        rack.wait_for("each node announces its own VIP", converged, 40)

    for rack in racks:
        rack.nodes[0].crash()
    for rack in racks:
        rack.wait_for("the others take over", after_takeover(rack), SESSION_TIMEOUT + HOLD_TIME + 10)

    with ThreadPoolExecutor() as operators:
        list(operators.map(drain_second_node, racks))


def drain_second_node(rack: Rack) -> None:
    """Drain the second node with the operator's commands, and end its maintenance."""
    """Put the second of two nodes in maintenance and back, with its agent's file."""
    crashed, second, third = rack.nodes
    target = ("apex", "--node", second.name, "--config", str(second.config))
    operate("maintenance", "on", *target, "--reason", "an exercise", "--wait")
    last_only = {
        crashed.vip: {third.name: TAKEN},
        second.vip: {third.name: TAKEN},
        third.vip: {third.name: OWN},
    }
    rack.wait_for("only the last node announces", last_only, 10)
    [apex] = json.loads(operate("status", "--config", str(third.config), "--json"))
    announced = {vip["vip"]: [by["node"] for by in vip["announced_by"]] for vip in apex["vips"]}
    assert announced == {vip: [third.name] for vip in last_only}
    nodes = {node["node"]: node for node in apex["nodes"]}
    assert nodes[third.name]["state"] == ("serving" if VIPS_ARE_LOCAL else "no-address")
    assert "an exercise" in nodes[second.name]["why"]
    operate("maintenance", "off", *target)
    rack.wait_for("the second node is back", after_takeover(rack), 10)


def after_takeover(rack: Rack) -> Table:
    """Return the table after the first node was taken over."""
    crashed, *remaining = rack.nodes
    taken = {crashed.vip: {node.name: TAKEN for node in remaining}}
    return taken | {node.vip: {node.name: OWN} for node in remaining}
