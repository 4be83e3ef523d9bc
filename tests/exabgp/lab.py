"""Three load balancers, each an ExaBGP with an agent, and one BIRD as their switch."""

import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import bird
from tests.servers.bird import Bird, Change, Peer
from tests.servers.exabgp import ExaBGP, Settings
from tests.servers.process import free_port, wait_for
from tests.servers.realtime import family

SERVICE = "apex"
SWITCH = "127.0.0.100"
OWN, TAKEN = 100, 200
"""Default MEDs of the owner and of other nodes (A3)."""
DRAIN = 3
"""`drain_delay` in seconds: enough to inspect a route during a drain."""

Table = Mapping[str, Mapping[str, int | None]]
"""MED by VIP and announcing node, at the switch."""


@dataclass(frozen=True, slots=True)
class Site:
    """Common settings of a lab's three nodes."""

    settings: Settings
    store: tuple[str, ...]
    """The agent's options for the store."""
    options: tuple[str, ...] = ()
    """Additional options of `vipagent run`."""
    ipv6: bool = False
    """Whether each node owns an IPv6 VIP, too."""


class Node:
    """One load balancer. Its check succeeds while the file `fails` does not exist."""

    def __init__(self, number: int, directory: Path, site: Site, switch: Bird, peer: Peer) -> None:
        self.name = peer.name
        self.vip = vip(number)
        self.number = number
        self.fails = directory / "fails"
        self._store = site.store
        arguments = ("run", *site.store, *self._arguments(site))
        self.exabgp = ExaBGP(site.settings, directory, peer, switch.neighbors, {"agent": agent(*arguments)})

    def _arguments(self, site: Site) -> list[str]:
        numbers = (1, 2, 3)
        pool = [word for number in numbers for word in ("--vip", vip(number))]
        if site.ipv6:
            pool += [word for number in numbers for word in ("--vip", vip_ipv6(number))]
            pool += ["--auth-ip", vip_ipv6(self.number), *self.next_hop]
        check = ["-c", f"test ! -e {self.fails}", "--interval", "0.3", "--rise", "1", "--fall", "2"]
        identity = ["--service", SERVICE, "--node", self.name, "--auth-ip", self.vip]
        delays = ["--release-delay", "1", "--drain-delay", str(DRAIN)]
        return [*identity, *pool, *check, *delays, "--address-check", "false", *site.options]

    @property
    def next_hop(self) -> list[str]:
        """The options for the next hop of its IPv6 routes."""
        return ["--next-hop", f"2001:db8::{self.number}"]

    def signal_agent(self, number: signal.Signals) -> None:
        """Send a signal only to the agent."""
        os.kill(self.exabgp.child(), number)

    def agent_log(self) -> str:
        """Return the agent's log."""
        return self.exabgp.stderr_of("agent")


class Lab:
    """The three nodes and their switch, in one directory."""

    def __init__(self, directory: Path, site: Site) -> None:
        peers = [peer(number) for number in (1, 2, 3)]
        self.site = site
        self.switch = Bird(directory / "switch", SWITCH, peers)
        self.nodes = [
            Node(n, directory / peer.name, site, self.switch, peer) for n, peer in enumerate(peers, 1)
        ]

    def launch(self) -> None:
        """Start all processes without waiting for them."""
        self.switch.start()
        for node in self.nodes:
            node.exabgp.start()

    def start(self) -> None:
        """Start all processes, and wait for the converged state."""
        self.launch()
        self.wait_for(self.converged(), 40)

    def stop(self) -> None:
        """Stop all processes."""
        for node in self.nodes:
            node.exabgp.stop()
        self.switch.stop()

    def processes(self) -> list[int]:
        """Return the pids of all processes, including agents."""
        servers = [self.switch.process, *(node.exabgp.process for node in self.nodes)]
        return family(*(server.pid for server in servers if server.running))

    def table(self) -> Table:
        """Return the routes of the switch."""
        return {
            prefix.partition("/")[0]: {route.peer: route.med for route in routes}
            for prefix, routes in self.switch.routes().items()
        }

    def converged(self) -> Table:
        """Return the table in which each node announces only its own VIP."""
        return {node.vip: {node.name: OWN} for node in self.nodes}

    def without(self, *failed: Node) -> Table:
        """Return the table in which the other nodes have taken over the VIPs of `failed`."""
        remaining = [node for node in self.nodes if node not in failed]
        taken = {node.vip: {other.name: TAKEN for other in remaining} for node in failed if remaining}
        return {node.vip: {node.name: OWN} for node in remaining} | taken

    def wait_for(self, table: Table, within: float = 10.0) -> None:
        """Wait until the switch has exactly these routes."""
        try:
            wait_for(f"the switch's table is {table}", lambda: self.table() == table, within)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.table()}\n{self.report()}") from None

    def changes(self, since: float, vips: Iterable[str] | None = None) -> list[Change]:
        """Return changes of the switch's table since a time, of these VIPs or of all."""
        prefixes = None if vips is None else {f"{vip}/32" for vip in vips}
        return [c for c in self.switch.changes(since) if prefixes is None or c.prefix in prefixes]

    def report(self) -> str:
        """Return the last log lines of all processes, for failure reports."""
        logs = {
            f"{node.name}, {source}": text
            for node in self.nodes
            for source, text in (("agent", node.agent_log()), ("ExaBGP", node.exabgp.process.output()))
        }
        return "\n".join(f"--- {source}:\n{_tail(text)}" for source, text in logs.items())


def peer(number: int) -> Peer:
    """Return node `number` as a neighbour of the switch."""
    address = f"127.0.0.{10 + number}"
    return Peer(f"node{number}", address, bird.ASN + number, free_port(address))


def vip(number: int) -> str:
    """Return the VIP that node `number` owns."""
    return f"10.20.255.{number}"


def vip_ipv6(number: int) -> str:
    """Return the IPv6 VIP that node `number` owns if the site has such VIPs."""
    return f"2001:db8:20:255::{number}"


def is_registered(log: str, vip: str) -> bool:
    """Return whether an agent's log says last that the VIP is registered."""
    return log.rfind(f" register service=apex vip={vip} ") > log.rfind(f" deregister service=apex vip={vip} ")


def agent(*arguments: str) -> Sequence[str]:
    """Return the command line of the agent under test."""
    return [sys.executable, "-m", "vipagent", *arguments]


def never_without_route(changes: Sequence[Change], announcers: Iterable[str]) -> bool:
    """Return whether a VIP was announced at all times, from its first `announcers` through all changes."""
    announcing = set(announcers)
    for change in changes:
        (announcing.add if change.added else announcing.discard)(change.peer)
        if not announcing:
            return False
    return True


def _tail(text: str, lines: int = 25) -> str:
    return "\n".join(text.splitlines()[-lines:])
