"""The network: machines, links, AS numbers and addresses.

              client
                |
               edge          AS 64540
              /    \\
          agg1      agg2     AS 64530
            |\\  \\/  /|         (each to every ToR)
         tor1  tor2  tor3    AS 64521, 64522, 64523
          |     |     |
         lb1   lb2   lb3     AS 64512

With two neighbours per node, lb1 is also connected to tor2, lb2 to tor3, and lb3 to tor1.
"""

from dataclasses import dataclass, field
from enum import StrEnum

NUMBERS = (1, 2, 3)
SERVICE = "apex"
STORE = "172.31.255.100"
"""ZooKeeper's address on the management network."""
ECHO_PORT = 7
HOLD = 9
"""BGP hold time in seconds, as in conf/."""
SESSION = 6
"""ZooKeeper session timeout in seconds."""


class Standby(StrEnum):
    """Takeover policy of the load balancers."""

    COLD = "cold"
    """The owner announces a VIP; all others do after it has failed."""
    HOT = "hot"
    """All nodes announce all VIPs, the n-th in the order with n prepended AS numbers."""
    NO_PREPEND = "no-prepend"
    """As HOT, without prepended AS numbers, and switches have no multipath."""


class Tor(StrEnum):
    """Routing daemon of the ToR switches; all others run BIRD."""

    BIRD = "bird"
    FRR = "frr"

    @property
    def label(self) -> str:
        """Display name."""
        return self.value.upper()


@dataclass(frozen=True, slots=True)
class Machine:
    """A switch or a load balancer."""

    name: str
    asn: int
    router_id: str


@dataclass(frozen=True, slots=True)
class End:
    """One end of a link: an interface named after the machine at the other end."""

    interface: str
    ipv4: str
    ipv6: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link. `upper` is closer to the clients."""

    number: int
    upper: str
    lower: str
    ipv6_subnet: int = field(kw_only=True)
    """Number of its IPv6 subnet.

    All links of a load balancer have the same, because an IPv6 route has one next hop for all neighbours: BGP
    runs over IPv4, where `next-hop self` is an IPv4 address.
    """

    def end(self, machine: str) -> End:
        """Return this machine's end."""
        host = 0 if machine == self.upper else 1
        ipv6 = f"2001:db8:10:{self.ipv6_subnet}::{host + 1}"
        return End(self.peer(machine), f"10.10.{self.number}.{host}", ipv6)

    def peer(self, machine: str) -> str:
        """Return the machine at the other end."""
        return self.lower if machine == self.upper else self.upper


BALANCERS = tuple(Machine(f"lb{n}", 64512, f"10.255.1.{n}") for n in NUMBERS)
TORS = tuple(Machine(f"tor{n}", 64520 + n, f"10.255.2.{n}") for n in NUMBERS)
AGGREGATIONS = tuple(Machine(f"agg{n}", 64530, f"10.255.3.{n}") for n in (1, 2))
EDGE = Machine("edge", 64540, "10.255.4.1")
SWITCHES = (*TORS, *AGGREGATIONS, EDGE)
MACHINES = {machine.name: machine for machine in (*BALANCERS, *SWITCHES)}

_CABLES = (
    (EDGE.name, "client"),
    *((EDGE.name, agg.name) for agg in AGGREGATIONS),
    *((agg.name, tor.name) for agg in AGGREGATIONS for tor in TORS),
    *((tor.name, balancer.name) for tor, balancer in zip(TORS, BALANCERS, strict=True)),
)
_LINKS = tuple(Link(number, *ends, ipv6_subnet=number) for number, ends in enumerate(_CABLES))
_SECOND_LINKS = tuple(
    Link(link.number + len(NUMBERS), tor.name, link.lower, ipv6_subnet=link.ipv6_subnet)
    for link, tor in zip(_LINKS[-len(NUMBERS) :], (*TORS[1:], TORS[0]), strict=True)
)

MANAGEMENT = "mgmt"
"""Bridge of the management network, and its namespace."""
MANAGED = {f"lb{n}": f"172.31.255.{n}" for n in NUMBERS} | {"store": STORE}
"""Addresses on the management network."""
HOSTS = ("client", *(machine.name for machine in (*SWITCHES, *BALANCERS)), MANAGEMENT, "store")
"""All namespaces."""

VIPS = {f"lb{n}": (f"10.20.255.{n}", f"2001:db8:20:255::{n}") for n in NUMBERS}
"""The VIPs that each load balancer owns."""
OWNERS = {vip: owner for owner, vips in VIPS.items() for vip in vips}


@dataclass(frozen=True, slots=True)
class Plan:
    """One lab."""

    name: str
    """Prefix of its namespaces."""
    standby: Standby = Standby.COLD
    tor: Tor = Tor.BIRD
    neighbors: int = 1
    """ToR switches that each load balancer is connected to: 1 or 2."""

    @property
    def all_links(self) -> tuple[Link, ...]:
        """All links."""
        return _LINKS + (_SECOND_LINKS if self.neighbors > 1 else ())

    def links(self, machine: str) -> tuple[Link, ...]:
        """Return the links of a machine."""
        return tuple(link for link in self.all_links if machine in (link.upper, link.lower))

    def uplink(self, balancer: str) -> Link:
        """Return the link between a load balancer and the ToR switch of its rack."""
        return self.links(balancer)[0]
