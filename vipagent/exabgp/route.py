"""Route attributes, and the ExaBGP commands that announce and withdraw a route (A3, A5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from vipagent.core.actions import Preference

GRACEFUL_SHUTDOWN = "65535:0"
"""RFC 8326: neighbours should prefer any other path."""


@dataclass(frozen=True, slots=True)
class RoleAttributes:
    """Attributes of the routes of one role: `primary` (rank 0) or `standby` (all others)."""

    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    extended_communities: tuple[str, ...] = ()
    local_preference: int | None = None


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """Attributes of a service's routes. Validated, so that no value can break a command (A5)."""

    med: int = 100
    med_step: int = 100
    prepend: int = 0
    """Number of times that the local AS is prepended, per rank."""
    local_as: int | None = None
    next_hop4: str = "self"
    next_hop6: str = "self"
    path_id: int | None = None
    neighbors: tuple[str, ...] = ()
    """The neighbours that receive the routes; empty: all."""
    primary: RoleAttributes = RoleAttributes()
    standby: RoleAttributes = RoleAttributes()


def announce(settings: RouteSettings, vip: str, preference: Preference) -> str:
    """Return the command that announces `vip`, or replaces its route, with this preference."""
    network = ip_network(vip)
    role = settings.primary if preference.rank == 0 else settings.standby
    communities = (*role.communities, GRACEFUL_SHUTDOWN) if preference.draining else role.communities
    attributes = [
        f"next-hop {settings.next_hop4 if network.version == 4 else settings.next_hop6}",  # noqa: PLR2004
        f"med {settings.med + settings.med_step * preference.rank}",
    ]
    if role.local_preference is not None:
        attributes.append(f"local-preference {role.local_preference}")
    if settings.local_as is not None and settings.prepend and preference.rank:
        # An explicit path replaces ExaBGP's default path, so it needs the local AS once more than prepended.
        attributes.append(
            _format("as-path", (str(settings.local_as),) * (settings.prepend * preference.rank + 1))
        )
    attributes += [_format("community", communities)] if communities else []
    attributes += [_format("large-community", role.large_communities)] if role.large_communities else []
    attributes += (
        [_format("extended-community", role.extended_communities)] if role.extended_communities else []
    )
    return f"{_neighbor_selector(settings)}announce route {_prefix(settings, vip)} {' '.join(attributes)}"


def withdraw(settings: RouteSettings, vip: str) -> str:
    """Return the command that withdraws `vip` with any attributes."""
    return f"{_neighbor_selector(settings)}withdraw route {_prefix(settings, vip)}"


def looping_neighbors(settings: RouteSettings, asns: Mapping[str, int]) -> tuple[str, ...]:
    """Return the iBGP neighbours, which reject a path with their own AS as a loop (N10).

    Args:
        settings: the attributes of the routes.
        asns: the AS number of each neighbour.
    """
    if not settings.prepend or settings.local_as is None:
        return ()
    ours = {peer for peer, asn in asns.items() if asn == settings.local_as}
    return tuple(sorted(ours & set(settings.neighbors) if settings.neighbors else ours))


def replaces(new: RouteSettings, old: RouteSettings) -> bool:
    """Return whether an announcement with `new` replaces one with `old`; otherwise both would coexist."""
    return (new.path_id, new.neighbors) == (old.path_id, old.neighbors)


def _prefix(settings: RouteSettings, vip: str) -> str:
    path = "" if settings.path_id is None else f" path-information {settings.path_id}"
    return f"{ip_network(vip)}{path}"


def _neighbor_selector(settings: RouteSettings) -> str:
    neighbors = ", ".join(f"neighbor {neighbor}" for neighbor in settings.neighbors)
    return f"{neighbors} " if neighbors else ""


def _format(name: str, values: tuple[str, ...]) -> str:
    return f"{name} [ {' '.join(values)} ]"
