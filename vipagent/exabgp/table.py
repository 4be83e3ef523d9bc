"""Parser of ExaBGP's answer to `show adj-rib out extensive`: the routes that it announces (E2, A6)."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

SHOW_TABLE = "show adj-rib out extensive"
"""Query of all routes that ExaBGP announces, one line per neighbour and route; 4.2 and 5 answer alike."""


@dataclass(frozen=True, slots=True)
class RouteIdentity:
    """What makes a route a different one for ExaBGP: another announcement does not replace it."""

    prefix: str
    """In canonical form with its length: `10.20.255.1/32`."""
    path_id: int | None = None
    neighbors: tuple[str, ...] = ()
    """Neighbours that the route is announced to, as in the configuration; empty: all."""


@dataclass(frozen=True, slots=True)
class TableRoute:
    """A route that ExaBGP announces to one neighbour."""

    neighbor: str
    prefix: str
    path_id: int | None
    attributes: str
    """The rest of the line, from `next-hop` on."""

    @property
    def vip(self) -> str:
        """The prefix as a VIP of the configuration: without its length if it is a single address."""
        return self.prefix.removesuffix("/32" if "." in self.prefix else "/128")


def parse(words: list[str]) -> TableRoute | None:
    """Parse the words of a line of the table; return None for any other line, and for other families."""
    for family in ("ipv4", "ipv6"):
        if words[:1] == ["neighbor"] and family in words[2:-2]:
            position = words.index(family)
            prefix, *rest = words[position + 2 :]
            path_id = None
            if rest[:1] == ["path-information"]:
                path_id, rest = int(ip_address(rest[1])), rest[2:]
            return TableRoute(words[1], str(ip_network(prefix)), path_id, " ".join(rest))
    return None
