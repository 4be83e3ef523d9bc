"""Machines as network namespaces, links as veth pairs between them."""

import subprocess
from collections.abc import Iterable, Sequence

from tests.lab import plan
from tests.lab.plan import Link, Plan
from vipagent.testing.slowness import allowed

SETTINGS = (
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv6.conf.all.disable_ipv6=0",
    "net.ipv6.conf.default.disable_ipv6=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.accept_ra=0",
    "net.ipv6.conf.all.keep_addr_on_down=1",
)
FORWARDING = ("net.ipv4.conf.all.forwarding=1", "net.ipv6.conf.all.forwarding=1")
DROP_ALL = "root tbf rate 1kbit burst 1b limit 1b"
"""A token bucket smaller than any packet: all packets are dropped, while both ends see the link up."""


class Network:
    """The namespaces of one lab, by name prefix. Nothing outside is changed."""

    def __init__(self, planned: Plan) -> None:
        self.plan = planned

    def namespace(self, host: str) -> str:
        """Return the name of a machine's namespace."""
        return f"{self.plan.name}-{host}"

    def inside(self, host: str, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command on a machine, with exec."""
        return ["ip", "netns", "exec", self.namespace(host), *command]

    def exists(self) -> bool:
        """Whether any of its namespaces exists."""
        return bool(self._present())

    def up(self) -> None:
        """Create all machines and links.

        Raises:
            RuntimeError: the kernel or `ip` reported an error.
        """
        _batch([], [f"netns add {self.namespace(host)}" for host in plan.HOSTS])
        forwarders = {machine.name for machine in plan.SWITCHES}
        for host in plan.HOSTS:
            settings = SETTINGS + (FORWARDING if host in forwarders else ())
            _run(self.inside(host, ["sysctl", "-qw", *settings]))
        _batch([], [*map(self._cable, self.plan.all_links), *self._management()])
        for host in plan.HOSTS:
            _batch(["-n", self.namespace(host)], _configuration(self.plan, host))

    def down(self) -> None:
        """Remove all namespaces."""
        for namespace in self._present():
            _run(["ip", "netns", "del", namespace])

    def pids(self) -> list[int]:
        """Return the processes on the machines."""
        return [
            int(pid)
            for namespace in self._present()
            for pid in _run(["ip", "netns", "pids", namespace]).split()
        ]

    def unplug(self, link: Link) -> None:
        """Disconnect a link: the lower end loses its carrier, the upper one is set down."""
        self._ip(link.upper, f"link set {link.lower} down")

    def plug(self, link: Link) -> None:
        """Reconnect a link."""
        self._set_up(link, link.upper)

    def set_down(self, link: Link) -> None:
        """Set the lower end of a link down; the upper one loses its carrier."""
        self._ip(link.lower, f"link set {link.upper} down")

    def set_up(self, link: Link) -> None:
        """Set the lower end of a link up."""
        self._set_up(link, link.lower)

    def _set_up(self, link: Link, host: str) -> None:
        """Set one end of a link up, with the routes that the kernel has removed."""
        self._ip(host, f"link set {link.peer(host)} up")
        _batch(["-n", self.namespace(host)], _routes(self.plan, link, host))

    def silence(self, link: Link) -> None:
        """Drop all packets on a link in both directions; neither end detects it."""
        for here, there in ((link.upper, link.lower), (link.lower, link.upper)):
            self._tc(here, f"qdisc replace dev {there} {DROP_ALL}")

    def restore(self, link: Link) -> None:
        """Stop dropping packets on a link."""
        for here, there in ((link.upper, link.lower), (link.lower, link.upper)):
            self._tc(here, f"qdisc del dev {there} root")

    def _present(self) -> list[str]:
        there = {line.split()[0] for line in _run(["ip", "netns", "list"]).splitlines() if line}
        return [name for host in plan.HOSTS if (name := self.namespace(host)) in there]

    def _cable(self, link: Link) -> str:
        upper, lower = self.namespace(link.upper), self.namespace(link.lower)
        return f"link add {link.lower} netns {upper} type veth peer name {link.upper} netns {lower}"

    def _management(self) -> Iterable[str]:
        bridge = self.namespace(plan.MANAGEMENT)
        for host in plan.MANAGED:
            yield from [
                f"link add {host} netns {bridge} type veth "
                f"peer name {plan.MANAGEMENT} netns {self.namespace(host)}"
            ]

    def _ip(self, host: str, words: str) -> None:
        _run(["ip", "-n", self.namespace(host), *words.split()])

    def _tc(self, host: str, words: str) -> None:
        _run(["tc", "-n", self.namespace(host), *words.split()])


def managed(host: str) -> Link:
    """Return a machine's link to the management network."""
    return Link(-1, plan.MANAGEMENT, host, ipv6_subnet=-1)


def _configuration(planned: Plan, host: str) -> Iterable[str]:
    """Yield the commands of `ip` that set up one machine."""
    yield "link set lo up"
    if host == plan.MANAGEMENT:
        yield "link add name bridge type bridge"
        yield "link set bridge up"
        for port in plan.MANAGED:
            yield f"link set {port} master bridge"
            yield f"link set {port} up"
    if host in plan.MANAGED:
        yield f"addr add {plan.MANAGED[host]}/24 dev {plan.MANAGEMENT}"
        yield f"link set {plan.MANAGEMENT} up"
    for link in planned.links(host):
        end = link.end(host)
        yield f"addr add {end.ipv4}/31 dev {end.interface}"
        yield f"addr add {end.ipv6}/64 dev {end.interface}"
        yield f"link set {end.interface} up"
        yield from _routes(planned, link, host)
        # BGP runs over IPv4, so the IPv6 neighbour is not resolved before the routes return, and the default
        # retransmission interval is one second.
        yield f"ntable change name ndisc_cache dev {end.interface} retrans 50"
    if host in plan.VIPS:
        yield from (f"addr add {vip} dev lo" for vip in plan.OWNERS)


def _routes(planned: Plan, link: Link, host: str) -> Iterable[str]:
    """Yield the commands that add the routes of a machine by one of its links.

    A load balancer has a default route by each link; the local service replies by the link of the request.
    """
    yield _prompt(link, host)
    if host == "client" or host in plan.VIPS:
        gateway, number = link.end(link.upper), planned.links(host).index(link) + 1
        for address in (gateway.ipv4, gateway.ipv6):
            yield f"route replace default via {address} dev {link.upper} metric {number}"


def _prompt(link: Link, host: str) -> str:
    """Return the command that disables delayed acknowledgements on a link.

    BIRD sends an update only after the previous one was acknowledged (Nagle's algorithm), so IPv6 routes
    would follow IPv4 routes on the same session after a delay of 40 ms.
    """
    end = link.end(host)
    subnet = f"{link.end(link.upper).ipv4}/31"
    return f"route replace {subnet} dev {end.interface} proto kernel scope link src {end.ipv4} quickack 1"


def _batch(options: Sequence[str], commands: Iterable[str]) -> None:
    _run(["ip", *options, "-batch", "-"], "".join(f"{command}\n" for command in commands))


def _run(command: Sequence[str], given: str = "") -> str:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=False, timeout=allowed(30)
    )
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
