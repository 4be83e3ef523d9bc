"""The network of README's quick start: two load balancers, their switch with the store, and a client."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.markdown import ROOT
from tests.readme.machine import Machine, connect, entered
from tests.readme.snippets import QuickStart
from tests.servers.bird import ask, table
from tests.servers.exabgp import EXABGP4, VERSIONS
from tests.servers.process import Process, wait_for
from tests.servers.zookeeper import ZooKeeper

SWITCH, CLIENT = "192.0.2.1", "203.0.113.2"
BALANCERS = {"node1": ("192.0.2.11", 65011), "node2": ("192.0.2.12", 65012)}
PACKAGES = {"4": EXABGP4, "5": "exabgp>=5,<6"}
NO_SOURCE = shutil.ignore_patterns(".*", "*.egg-info", "build", "__pycache__", "docs")
BIRD_CONF = f"""
router id {SWITCH};
protocol device {{}}
protocol kernel {{ ipv4 {{ export all; }}; }}
""" + "".join(
    f"""
protocol bgp {name} {{
    local {SWITCH} as 65000;
    neighbor {address} as {asn};
    connect delay time 1; connect retry time 1; error wait time 1, 1;
    ipv4 {{ import all; export none; }};
}}
"""
    for name, (address, asn) in BALANCERS.items()
)


class Site:
    """All machines, with the installation of the quick start and ExaBGP on the load balancers.

    Args:
        directory: directory of its files.
        quick_start: snippets of the README.
    """

    def __init__(self, directory: Path, quick_start: QuickStart) -> None:
        self.readme = quick_start
        self._directory = directory
        self._checkout = directory / "checkout"
        homes = (f"/opt/exabgp-{version}" for version in VERSIONS)
        seen = ["/opt/vipagent", "/var/lib/vipagent", *homes, "/usr/local/bin"]
        self._shared = {place: directory / place.replace("/", "_") for place in seen}
        for place in self._shared.values():
            place.mkdir(mode=0o755)
        self.machines = {name: self._machine(name) for name in ("switch", *BALANCERS, "client")}
        self.zookeeper = ZooKeeper(
            directory / "zookeeper", 1000, {"clientPort": 2181, "clientPortAddress": "0.0.0.0"}
        )
        self.zookeeper.port = 2181
        self._bird = directory / "bird.ctl"
        self._stack = ExitStack()

    def _machine(self, name: str) -> Machine:
        directory = self._directory / name
        directory.mkdir()
        return Machine(name, directory, self._shared if name in BALANCERS else {})

    def start(self) -> None:
        """Create machines and network, install, and start all processes except ExaBGP."""
        for machine in self.machines.values():
            self._stack.callback(machine.stop)
            machine.start()
        self._install()
        self._connect()
        switch = self.machines["switch"]
        with entered(switch):
            self._stack.callback(self.zookeeper.stop)
            self.zookeeper.start()
        switch.write(f"{switch.directory}/bird.conf", BIRD_CONF)
        options = ["-c", f"{switch.directory}/bird.conf", "-s", str(self._bird), "-P", f"{self._bird}.pid"]
        self._run(switch.process("bird", "bird", "-f", *options))
        for name in BALANCERS:
            self._serve(self.machines[name])

    def stop(self) -> None:
        """Stop all processes, and remove the machines."""
        self._stack.close()

    def exabgp(self, name: str, version: str, configuration: str) -> Process:
        """Return a load balancer's ExaBGP, started by root with the default user."""
        machine = self.machines[name]
        machine.run("mkdir", "-p", "/etc/exabgp")
        machine.write("/etc/exabgp/exabgp.conf", configuration)
        return machine.process("exabgp", f"/opt/exabgp-{version}/bin/exabgp", "/etc/exabgp/exabgp.conf")

    @contextmanager
    def running(self, exabgp: Process) -> Iterator[None]:
        """Run an ExaBGP; on failures, report its output."""
        exabgp.log.unlink(missing_ok=True)
        exabgp.start()
        try:
            yield
        except AssertionError as error:
            error.add_note(exabgp.output()[-5000:])
            raise
        finally:
            exabgp.terminate()

    def announced(self, name: str) -> set[str]:
        """Return the routes of a load balancer at the switch."""
        return set(table(ask(self._bird, f"show route all protocol {name}")))

    def served(self, vip: str) -> str:
        """Send the request of README's client, and return the name of the load balancer that replied."""
        try:
            return (
                self.machines["client"].run("sh", "-euc", self.readme.ask.replace("10.20.255.1", vip)).strip()
            )
        except AssertionError:
            return ""

    def _install(self) -> None:
        """Run README's first snippet in a checkout; ExaBGP is already installed."""
        shutil.copytree(ROOT, self._checkout, ignore=NO_SOURCE)
        node = self.machines["node1"]
        for version, package in PACKAGES.items():
            home = f"/opt/exabgp-{version}"
            node.run("python3", "-m", "venv", home, outside=True, within=600)
            node.run(f"{home}/bin/pip", "install", "-q", package, outside=True, within=600)
        node.run("sh", "-euc", self.readme.install, outside=True, within=600, directory=self._checkout)

    def _connect(self) -> None:
        switch = self.machines["switch"]
        switch.run("ip", "link", "add", "servers", "type", "bridge")
        switch.run("ip", "address", "add", f"{SWITCH}/24", "dev", "servers")
        switch.run("ip", "link", "set", "servers", "up")
        for name, (address, _) in BALANCERS.items():
            connect(switch, self.machines[name], [f"{address}/24"])
            switch.run("ip", "link", "set", name, "master", "servers")
            self.machines[name].run("ip", "route", "add", "default", "via", SWITCH)
        connect(switch, self.machines["client"], [f"{CLIENT}/24"])
        switch.run("ip", "address", "add", "203.0.113.1/24", "dev", "client")
        self.machines["client"].run("ip", "route", "add", "default", "via", "203.0.113.1")
        switch.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")

    def _serve(self, machine: Machine) -> None:
        """Run README's steps on a load balancer, except ExaBGP, and start the service."""
        hosts = "127.0.0.1 localhost\n" + "".join(f"{SWITCH} zk{number}\n" for number in (1, 2, 3))
        machine.write("/etc/hosts", hosts)
        machine.run("sh", "-euc", self.readme.directories)
        pages = f"{machine.directory}/pages"
        machine.run("mkdir", pages)
        machine.write(f"{pages}/health", f"{machine.name}\n")
        self._run(machine.process("web", "/usr/bin/python3", "-m", "http.server", "80", "--directory", pages))
        machine.run("sh", "-euc", self.readme.addresses)

    def _run(self, process: Process) -> None:
        self._stack.callback(process.kill)
        process.start()


def own(name: str, text: str) -> str:
    """Return node1's file for another load balancer, with its node name and VIP."""
    number = name.removeprefix("node")
    address, asn = BALANCERS[name]
    changes = {
        "node: node1": f"node: {name}",
        "auth_ip: 10.20.255.1": f"auth_ip: 10.20.255.{number}",
        "192.0.2.11": address,
        "65011": str(asn),
    }
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def wait_until_served(site: Site, vip: str, by: str, within: float = 60) -> None:
    """Wait until this load balancer replies to the client."""
    wait_for(f"{vip} is served by {by}", lambda: site.served(vip) == by, within, every=0.2)
