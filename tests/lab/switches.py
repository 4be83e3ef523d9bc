"""The switches: BIRD, or FRR as a ToR. One BGP session per link carries IPv4 and IPv6 routes."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.lab import plan
from tests.lab.daemon import Daemon
from tests.lab.network import Network
from tests.lab.plan import Machine, Standby, Tor
from tests.servers import bird

SYSTEM = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/usr/lib/frr"
KEEPALIVE = plan.HOLD // 3


class Switch(ABC):
    """One switch.

    Args:
        machine: the machine.
        network: the network with its namespace.
        directory: directory of its files.
        multipath: whether it spreads packets over equally good routes.
    """

    def __init__(self, machine: Machine, network: Network, directory: Path, multipath: bool) -> None:
        self.machine = machine
        self.directory = directory
        self._network = network
        self._multipath = multipath

    @property
    def neighbors(self) -> list[tuple[str, str, int]]:
        """Name, IPv4 address and AS number of each BGP neighbour."""
        name = self.machine.name
        return [
            (peer, link.end(peer).ipv4, plan.MACHINES[peer].asn)
            for link in self._network.plan.links(name)
            if (peer := link.peer(name)) in plan.MACHINES
        ]

    @property
    def log(self) -> Path:
        """Log of all route changes, with microseconds."""
        return self.directory / f"{self.machine.name}.log"

    @abstractmethod
    def start(self) -> None:
        """Start it."""

    def _daemon(self, program: str, *arguments: str) -> Daemon:
        path = shutil.which(program, path=SYSTEM)
        assert path, f"no {program}: `apt-get install bird2 frr`"
        command = self._network.inside(self.machine.name, [path, *arguments])
        return Daemon(f"{self.machine.name}-{program}", command, self.directory)


class BirdSwitch(Switch):
    """A BIRD 2."""

    def start(self) -> None:
        """Start it."""
        file = self.directory / f"{self.machine.name}.conf"
        file.write_text("".join(self._configuration()))
        files = ("-c", str(file), "-s", str(self.control), "-P", str(file.with_suffix(".bird-pid")))
        self._daemon("bird", "-f", *files).start()

    def routes(self) -> dict[str, list[bird.Route]]:
        """Return what it knows: for each prefix the routes, best first."""
        return bird.table(bird.ask(self.control, "show route all"))

    @property
    def control(self) -> Path:
        """Its control socket."""
        return self.directory / f"{self.machine.name}.ctl"

    def _configuration(self) -> Iterator[str]:
        yield f'log "{self.log}" all;\ntimeformat log iso long us;\n'
        yield f"router id {self.machine.router_id};\nprotocol device {{}}\n"
        if self.machine is plan.EDGE:
            yield 'protocol direct { ipv4; ipv6; interface "client"; }\n'
        merge = "merge paths on;" if self._multipath else ""
        for family in ("ipv4", "ipv6"):
            export = "import none; export where source = RTS_BGP;"
            yield f"protocol kernel {{ {family} {{ {export} }}; {merge} }}\n"
        for peer, address, asn in self.neighbors:
            export = "export none" if peer in plan.VIPS else "export where source ~ [RTS_BGP, RTS_DEVICE]"
            yield (
                f"protocol bgp {peer} {{\n"
                f"  local as {self.machine.asn}; neighbor {address} as {asn}; check link yes;\n"
                f"  hold time {plan.HOLD}; keepalive time {KEEPALIVE};\n"
                f"  connect delay time 1; connect retry time 1; error wait time 1, 1;\n"
                f"  debug {{ states, routes }};\n"
                f"  ipv4 {{ import all; {export}; }};\n"
                f"  ipv6 {{ import all; {export}; }};\n"
                f"}}\n"
            )


class FrrSwitch(Switch):
    """An FRR: zebra for the kernel's routes, bgpd for BGP."""

    def start(self) -> None:
        """Start both."""
        own = self.directory / self.machine.name
        own.mkdir(exist_ok=True)
        self.log.touch()
        for place in (own, self.log):
            shutil.chown(place, "frr", "frr")  # its user
        # By default a route is installed 10 ms after it was announced; packets in between are lost.
        (own / "zebra.conf").write_text(f"hostname {self.machine.name}\nzebra work-queue 0\n")
        (own / "bgpd.conf").write_text("".join(f"{line}\n" for line in self._configuration()))
        for program in ("zebra", "bgpd"):
            self._daemon(program, *_frr(own, program)).start()

    def _configuration(self) -> Iterator[str]:
        yield f"hostname {self.machine.name}"
        yield f"log file {self.log}"
        yield "log timestamp precision 6"
        yield "debug bgp updates"
        yield f"router bgp {self.machine.asn}"
        yield f" bgp router-id {self.machine.router_id}"
        yield " no bgp ebgp-requires-policy"
        yield " no bgp default ipv4-unicast"
        yield " bgp bestpath compare-routerid"
        yield " bgp bestpath as-path multipath-relax"
        yield f" timers bgp {KEEPALIVE} {plan.HOLD}"
        for _, address, asn in self.neighbors:
            yield f" neighbor {address} remote-as {asn}"
            yield f" neighbor {address} timers connect 1"
            yield f" neighbor {address} advertisement-interval 0"
        for family in ("ipv4", "ipv6"):
            yield f" address-family {family} unicast"
            yield f"  maximum-paths {8 if self._multipath else 1}"
            for peer, address, _ in self.neighbors:
                yield f"  neighbor {address} activate"
                if peer in plan.VIPS:
                    yield f"  neighbor {address} route-map NOTHING out"
            yield " exit-address-family"
        yield "exit"
        yield "route-map NOTHING deny 1"


def _frr(own: Path, program: str) -> Sequence[str]:
    files = ("-f", str(own / f"{program}.conf"), "-i", str(own / f"{program}.frr-pid"))
    sockets = ("-z", str(own / "zserv.api"), "--vty_socket", str(own))
    return (*files, *sockets, "-A", "127.0.0.1")


def switches(network: Network, directory: Path) -> dict[str, Switch]:
    """Return all of a lab's switches, by name."""
    multipath = network.plan.standby is not Standby.NO_PREPEND
    made: dict[str, Switch] = {}
    for machine in plan.SWITCHES:
        frr = network.plan.tor is Tor.FRR and machine in plan.TORS
        made[machine.name] = (FrrSwitch if frr else BirdSwitch)(machine, network, directory, multipath)
    return made
