"""Parser of ExaBGP's answer to `show adj-rib out extensive`: the routes that it announces (E2, A6)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import count
from sys import intern
from typing import NamedTuple

SHOW_TABLE = "show adj-rib out extensive"
"""Query of all routes that ExaBGP announces, one line per neighbour and route; 4.2 and 5 answer alike."""
VERSION_BY_FAMILY = {("ipv4", "unicast"): 4, ("ipv6", "unicast"): 6}
"""IP version of each supported family."""
MAX_PATH_ID = 2**32 - 1
PATH_ID = re.compile(r"[0-9]{1,10}|[0-9]{1,3}(\.[0-9]{1,3}){3}")


class RouteIdentity(NamedTuple):
    """What makes a route a different one for ExaBGP: another announcement does not replace it."""

    prefix: str
    """In canonical form with its length: `10.20.255.1/32`."""
    path_id: int | None = None
    neighbors: tuple[str, ...] = ()
    """Neighbours that the route is announced to, as in the configuration; empty: all."""


class Routes:
    """A set of routes; several identities may describe one of them.

    Args:
        identities: the identities of the routes.
    """

    def __init__(self, identities: Iterable[RouteIdentity]) -> None:
        self._neighbors: dict[str, dict[int | None, frozenset[str]]] = {}
        """Neighbours by prefix and path identifier; empty: all."""
        for identity in identities:
            paths = self._neighbors.setdefault(identity.prefix, {})
            known, more = paths.get(identity.path_id), frozenset(identity.neighbors)
            everywhere = not more or known == frozenset()
            paths[identity.path_id] = frozenset() if everywhere else more | (known or frozenset())

    def has_prefix(self, prefix: str) -> bool:
        """Return whether any route has this prefix."""
        return prefix in self._neighbors

    def has(self, prefix: str, path_id: int | None, neighbor: str) -> bool:
        """Return whether the neighbour receives this route."""
        neighbors = self._neighbors.get(prefix, {}).get(path_id)
        return neighbors is not None and (not neighbors or neighbor in neighbors)

    def reaches(self, prefix: str, neighbor: str) -> bool:
        """Return whether the neighbour receives a route for the prefix, with any path identifier."""
        return any(self.has(prefix, path_id, neighbor) for path_id in self._neighbors.get(prefix, ()))


@dataclass(frozen=True, slots=True)
class TableRoute:
    """A route that ExaBGP announces to one neighbour."""

    neighbor: str
    prefix: str
    path_id: int | None
    """None without a path identifier, and for the identifier 0, which ExaBGP does not write."""
    attributes: str
    """The rest of the line, from `next-hop` on."""
    session: str = field(default="", compare=False)
    """What identifies the session: several may have the same neighbour."""


def parse(words: list[str]) -> TableRoute | None:
    """Return the unicast route of a line, given its words; None for any other line."""
    if words[:1] != ["neighbor"]:
        return None
    try:
        at = next(at for at in count(2, 2) if words[at] in {"ipv4", "ipv6"})
        version = VERSION_BY_FAMILY[words[at], words[at + 1]]
        neighbor, prefix = _address(words[1]), ip_network(words[at + 2], strict=False)
        path_id, rest = _path_id(words[at + 3 :])
    except (IndexError, KeyError, ValueError):
        return None
    if prefix.version != version:
        return None
    return TableRoute(neighbor, str(prefix), path_id, " ".join(rest), intern(" ".join(words[2:at])))


def _address(text: str) -> str:
    if "%" in text:
        raise ValueError("scoped address")
    return str(ip_address(text))


def _path_id(words: list[str]) -> tuple[int | None, list[str]]:
    """Return the path identifier, and the words after it."""
    if words[:1] != ["path-information"]:
        return None, words
    if not PATH_ID.fullmatch(words[1]):
        raise ValueError("not a path identifier")
    path_id = int(ip_address(words[1])) if "." in words[1] else int(words[1])
    if path_id > MAX_PATH_ID:
        raise ValueError("not a path identifier")
    return path_id or None, words[2:]
