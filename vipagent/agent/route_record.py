"""Format of the record of the routes that an agent may have announced (E2)."""

import json
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from vipagent.exabgp.table import MAX_PATH_ID, RouteIdentity

ROUTES_VERSION = 1
"""Version of the format; a record with another one is not used."""


def encode(agent: str, identities: Iterable[RouteIdentity]) -> bytes:
    """Return the record of an agent.

    Args:
        agent: identifies the agent, for humans.
        identities: the routes. Those that differ only in their prefix share an entry.
    """
    groups: dict[tuple[int | None, tuple[str, ...]], list[str]] = {}
    for identity in identities:
        groups.setdefault((identity.path_id, identity.neighbors), []).append(identity.prefix)
    routes = [
        {"path_id": path_id, "neighbors": neighbors, "prefixes": sorted(prefixes)}
        for (path_id, neighbors), prefixes in sorted(groups.items(), key=repr)
    ]
    return (
        json.dumps({"version": ROUTES_VERSION, "agent": agent, "routes": routes}, indent=1).encode() + b"\n"
    )


def decode(data: bytes) -> frozenset[RouteIdentity]:
    """Return the routes of a record.

    Raises:
        ValueError: the data is not a record of this version.
    """
    try:
        record = json.loads(data)
        if record["version"] != ROUTES_VERSION:
            raise ValueError(f"the version is {record['version']!r}")
        return frozenset(identity for group in record["routes"] for identity in _identities(group))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"not a record of version {ROUTES_VERSION} ({type(error).__name__}: {error})"
        ) from None


def _identities(group: Any) -> Iterator[RouteIdentity]:
    path_id, neighbors = group["path_id"], tuple(map(_neighbor, group["neighbors"]))
    if path_id is not None and (type(path_id) is not int or not 0 <= path_id <= MAX_PATH_ID):
        raise ValueError(f"{path_id!r} is not a path identifier")
    for prefix in group["prefixes"]:
        if not isinstance(prefix, str) or str(ip_network(prefix)) != prefix:
            raise ValueError(f"{prefix!r} is not a prefix in canonical form")
        yield RouteIdentity(prefix, path_id, neighbors)


def _neighbor(text: Any) -> str:
    if not isinstance(text, str) or "%" in text or str(ip_address(text)) != text:
        raise ValueError(f"{text!r} is not an address in canonical form")
    return text
