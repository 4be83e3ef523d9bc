"""Parser of ExaBGP's answer to `show adj-rib out extensive`: the routes that it announces (E2, A6)."""

from dataclasses import dataclass

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
