"""Format of the record of an agent's runs (G3), and of the routes that they may have announced (E2)."""

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from vipagent.exabgp.table import MAX_PATH_ID, RouteIdentity

ROUTES_VERSION = 1
"""Version of the format; a record with another one is not used."""
MAX_RUNS = 8
"""Maximum number of runs, the latest ones: ExaBGP restarts a process at most 5 times a minute, so that a
registration of an earlier one has expired."""
MAX_RUN_LENGTH = 64
"""Maximum length of the identifier of a run."""


class RouteRecord(NamedTuple):
    """What an agent records for its next run."""

    identities: frozenset[RouteIdentity] = frozenset()
    """The routes that it may have announced."""
    runs: tuple[str, ...] = ()
    """The identifiers of its runs, the latest last."""


def encode(agent: str, record: RouteRecord) -> bytes:
    """Return the record of an agent.

    Args:
        agent: identifies the agent, for humans.
        record: the routes, and the runs. Routes that differ only in their prefix share an entry.
    """
    groups: dict[tuple[int | None, tuple[str, ...]], list[str]] = {}
    for identity in record.identities:
        groups.setdefault((identity.path_id, identity.neighbors), []).append(identity.prefix)
    routes = [
        {"path_id": path_id, "neighbors": neighbors, "prefixes": sorted(prefixes)}
        for (path_id, neighbors), prefixes in sorted(groups.items(), key=repr)
    ]
    runs = record.runs[-MAX_RUNS:]
    fields = {"version": ROUTES_VERSION, "agent": agent, "runs": runs, "routes": routes}
    return json.dumps(fields, indent=1).encode() + b"\n"


def decode(data: bytes) -> RouteRecord:
    """Return the content of a record.

    Raises:
        ValueError: the data is not a record of this version.
    """
    try:
        record = json.loads(data)
        if record["version"] != ROUTES_VERSION:
            raise ValueError(f"the version is {record['version']!r}")
        identities = frozenset(identity for group in record["routes"] for identity in _identities(group))
        return RouteRecord(identities, tuple(map(_run, record.get("runs", [])[-MAX_RUNS:])))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
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


def _run(text: Any) -> str:
    if not isinstance(text, str) or len(text) > MAX_RUN_LENGTH:
        raise ValueError(f"{text!r} is not the identifier of a run")
    return text


def _neighbor(text: Any) -> str:
    if not isinstance(text, str) or "%" in text or str(ip_address(text)) != text:
        raise ValueError(f"{text!r} is not an address in canonical form")
    return text
