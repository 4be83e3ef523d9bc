"""A real BIRD 2 as the switch: its BGP routes and their changes."""

import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.servers.process import Process, free_port, wait_for
from vipagent.testing.slowness import allowed

ASN = 65000
ROUTER_ID = "10.255.0.1"
END_OF_REPLY = re.compile(rb"(?:^|\n)\d{4} [^\n]*\n$")
PREFIX = re.compile(r"^\s*([0-9a-f.:]+/\d+)\s")
PATH = re.compile(r"\[(\w+) .*?\]")
ATTRIBUTE = re.compile(r"^BGP\.(\w+): (.*)$")
CHANGE = re.compile(r"^(\S+ \S+) <TRACE> (\w+)\.ipv[46] > (added|removed)(?: \[\w+\])? (\S+) ")
UPDATES = re.compile(r"Import updates: +(\d+) +\d+ +\d+ +(\d+) ")
CODE = re.compile(r"^\d{4}[- ]")


@dataclass(frozen=True, slots=True)
class Peer:
    """A load balancer as a neighbor of the switch."""

    name: str
    address: str
    asn: int
    port: int
    """Port of its ExaBGP: the switch connects to it, so a session returns a second after a flap."""
    switch_address: str = ""
    """Address of the switch for this session; default: the switch's only one."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A switch as a neighbour of a load balancer."""

    address: str
    port: int
    asn: int


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the switch from one peer."""

    peer: str
    next_hop: str
    med: int | None
    local_preference: int | None
    as_path: tuple[int, ...]
    communities: frozenset[str]
    large_communities: frozenset[str]
    origin: str
    """`IGP`, `EGP` or `Incomplete`."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the switch's table; updates without a difference are not changes."""

    at: float
    """Seconds of the system clock."""
    peer: str
    prefix: str
    added: bool
    """True: added or replaced; False: removed."""


@dataclass(frozen=True, slots=True)
class Updates:
    """Numbers of updates from one peer."""

    received: int
    unchanged: int
    """Those that equal the route that was there."""


class Bird:
    """One BIRD, with one BGP session per peer."""

    def __init__(
        self, directory: Path, address: str, peers: Sequence[Peer], hold: int = 240, asn: int = ASN
    ) -> None:
        """Initialize a switch in a directory.

        Args:
            directory: directory of its configuration, socket and log.
            address: its address; the port is free.
            peers: the load balancers.
            hold: proposed BGP hold time in seconds.
            asn: its AS number.
        """
        program = shutil.which("bird", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        assert program, "BIRD is not installed: run `apt-get install bird2`"
        directory.mkdir(parents=True, exist_ok=True)
        self.address = address
        self.asn = asn
        self.port = free_port(address)
        self.peers = list(peers)
        self._socket = directory / "bird.ctl"
        self._log = directory / "bird.log"
        configuration = directory / "bird.conf"
        configuration.write_text("".join(self._configuration(hold)))
        command = [
            program,
            "-f",
            "-c",
            str(configuration),
            "-s",
            str(self._socket),
            "-P",
            str(directory / "pid"),
        ]
        self.process = Process("bird", command, directory / "bird.out")

    @property
    def neighbors(self) -> list[Neighbor]:
        """The switch as seen by the load balancers: one neighbour per address."""
        addresses = dict.fromkeys(peer.switch_address or self.address for peer in self.peers)
        return [Neighbor(address, self.port, self.asn) for address in addresses]

    def start(self) -> None:
        """Start, and wait until it replies."""
        self.process.start()
        wait_for("BIRD replies", self._replies)

    def stop(self) -> None:
        """Stop it."""
        self.process.terminate()

    def ask(self, command: str) -> str:
        """Send a command like `birdc`, and return the reply without codes."""
        return ask(self._socket, command)

    def routes(self) -> dict[str, list[Route]]:
        """Return the routes of each prefix, best first."""
        return table(self.ask("show route all"))

    def updates(self, peer: str) -> Updates:
        """Return how many updates of `peer` have arrived."""
        counts = UPDATES.findall(self.ask(f"show protocols all {peer}"))
        return Updates(sum(int(received) for received, _ in counts), sum(int(same) for _, same in counts))

    def established(self, peer: str) -> bool:
        """Return whether the session with `peer` is up."""
        return "Established" in self.ask(f"show protocols {peer}")

    def disable(self, peer: str) -> None:
        """Disable the session with `peer`."""
        self.ask(f"disable {peer}")

    def enable(self, peer: str) -> None:
        """Enable the session with `peer`."""
        self.ask(f"enable {peer}")

    def changes(self, since: float = 0.0) -> list[Change]:
        """Return all changes of its table, from its log."""
        log = self._log.read_text(errors="replace") if self._log.exists() else ""
        changes = [_parse_change(match) for match in map(CHANGE.match, log.splitlines()) if match]
        return [change for change in changes if change.at >= since]

    def _replies(self) -> bool:
        assert self.process.running, f"BIRD has exited:\n{self.process.output()}"
        try:
            return bool(self.ask("show status"))
        except OSError:
            return False

    def _configuration(self, hold: int) -> Iterator[str]:
        yield f'log "{self._log}" all;\ntimeformat log iso long us;\n'
        yield f"router id {ROUTER_ID};\nprotocol device {{}}\n"
        for peer in self.peers:
            yield (
                f"protocol bgp {peer.name} {{\n"
                f"  local {peer.switch_address or self.address} port {self.port} as {self.asn};\n"
                f"  neighbor {peer.address} port {peer.port} as {peer.asn};\n"
                f"  strict bind yes; multihop; hold time {hold};\n"
                f"  connect delay time 1; connect retry time 1; error wait time 1, 1;\n"
                f"  debug {{ routes }};\n"
                f"  ipv4 {{ import all; export none; add paths rx; }};\n"
                f"  ipv6 {{ import all; export none; add paths rx; }};\n"
                f"}}\n"
            )


def ask(path: Path, command: str) -> str:
    """Send a command to a control socket like `birdc`, and return the reply without codes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.settimeout(allowed(5))
        control.connect(str(path))
        _read(control)
        control.sendall(f"{command}\n".encode())
        reply = _read(control)
    return "\n".join(CODE.sub("", line, count=1).strip() for line in reply.splitlines())


def table(reply: str) -> dict[str, list[Route]]:
    """Parse the reply to `show route all`: the routes of each prefix, best first."""
    routes: dict[str, list[Route]] = {}
    for prefix, peer, attributes in _routes(reply):
        routes.setdefault(prefix, []).append(_parse_route(peer, attributes))
    return routes


def _read(control: socket.socket) -> str:
    reply = b""
    while not END_OF_REPLY.search(reply):
        data = control.recv(65536)
        if not data:
            break
        reply += data
    return reply.decode()


def _routes(reply: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield prefix, peer and BGP attributes of each route in `show route all`."""
    prefix, peer = "", ""
    attributes: dict[str, str] = {}
    for line in reply.splitlines():
        if attribute := ATTRIBUTE.match(line):
            attributes[attribute[1]] = attribute[2]
        elif path := PATH.search(line):
            if peer:
                yield prefix, peer, attributes
            prefix_match = PREFIX.match(line)
            prefix, peer, attributes = (prefix_match[1] if prefix_match else prefix), path[1], {}
    if peer:
        yield prefix, peer, attributes


def _parse_route(peer: str, attributes: dict[str, str]) -> Route:
    med, local_preference = attributes.get("med"), attributes.get("local_pref")
    return Route(
        peer=peer,
        next_hop=attributes.get("next_hop", ""),
        med=int(med) if med else None,
        local_preference=int(local_preference) if local_preference else None,
        as_path=tuple(int(asn) for asn in attributes.get("as_path", "").split()),
        communities=_parse_communities(attributes.get("community", "")),
        large_communities=_parse_communities(attributes.get("large_community", "")),
        origin=attributes.get("origin", ""),
    )


def _parse_communities(text: str) -> frozenset[str]:
    """Parse BIRD's `(65000,1) (65535,0)` as `65000:1` and `65535:0`."""
    return frozenset(":".join(re.findall(r"\w+", part)) for part in re.findall(r"\([^)]*\)", text))


def _parse_change(match: re.Match[str]) -> Change:
    at = datetime.fromisoformat(match[1]).astimezone().timestamp()
    return Change(at=at, peer=match[2], prefix=match[4], added=match[3] == "added")
