"""A route as ExaBGP is asked for it, and the two commands that ask (A3, A5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from vipagent.core.actions import Preference

GRACEFUL_SHUTDOWN = "65535:0"
"""RFC 8326: the neighbours are to prefer any other path."""


@dataclass(frozen=True, slots=True)
class RoleAttributes:
    """What is sent along with the routes of one role: `primary` (rank 0) or `standby` (all others)."""

    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    extended_communities: tuple[str, ...] = ()
    local_preference: int | None = None


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """How a service's routes look. Validated: nothing here can break a command (A5)."""

    med: int = 100
    med_step: int = 100
    prepend: int = 0
    """How many times the own AS is put in front of the path, per rank."""
    local_as: int | None = None
    next_hop4: str = "self"
    next_hop6: str = "self"
    path_id: int | None = None
    neighbors: tuple[str, ...] = ()
    """The neighbours that get the routes; empty: all."""
    primary: RoleAttributes = RoleAttributes()
    standby: RoleAttributes = RoleAttributes()


def announce(settings: RouteSettings, vip: str, preference: Preference) -> str:
    """Return the command that announces `vip`, or replaces its route, with this preference."""
    network = ip_network(vip)
    role = settings.primary if preference.rank == 0 else settings.standby
    communities = (*role.communities, GRACEFUL_SHUTDOWN) if preference.draining else role.communities
    words = [
        f"next-hop {settings.next_hop4 if network.version == 4 else settings.next_hop6}",  # noqa: PLR2004
        f"med {settings.med + settings.med_step * preference.rank}",
    ]
    if role.local_preference is not None:
        words.append(f"local-preference {role.local_preference}")
    if settings.local_as is not None and settings.prepend and preference.rank:
        # An explicit path replaces ExaBGP's default one: the own AS stands in it once more than prepended.
        words.append(_listed("as-path", (str(settings.local_as),) * (settings.prepend * preference.rank + 1)))
    words += [_listed("community", communities)] if communities else []
    words += [_listed("large-community", role.large_communities)] if role.large_communities else []
    words += [_listed("extended-community", role.extended_communities)] if role.extended_communities else []
    return f"{_addressed(settings)}announce route {_route(settings, vip)} {' '.join(words)}"


def withdraw(settings: RouteSettings, vip: str) -> str:
    """Return the command that withdraws `vip`, whatever its attributes were."""
    return f"{_addressed(settings)}withdraw route {_route(settings, vip)}"


def loops(settings: RouteSettings, asns: Mapping[str, int]) -> tuple[str, ...]:
    """Return the neighbours for which a prepended path would be a loop: iBGP, with the very AS (N10).

    Args:
        settings: how the routes look.
        asns: the AS number of each neighbour.
    """
    if not settings.prepend or settings.local_as is None:
        return ()
    ours = {peer for peer, asn in asns.items() if asn == settings.local_as}
    return tuple(sorted(ours & set(settings.neighbors) if settings.neighbors else ours))


def replaces(new: RouteSettings, old: RouteSettings) -> bool:
    """Say whether an announcement with `new` takes the place of one with `old`: else both would be there."""
    return (new.path_id, new.neighbors) == (old.path_id, old.neighbors)


def _route(settings: RouteSettings, vip: str) -> str:
    path = "" if settings.path_id is None else f" path-information {settings.path_id}"
    return f"{ip_network(vip)}{path}"


def _addressed(settings: RouteSettings) -> str:
    neighbors = ", ".join(f"neighbor {neighbor}" for neighbor in settings.neighbors)
    return f"{neighbors} " if neighbors else ""


def _listed(attribute: str, values: tuple[str, ...]) -> str:
    return f"{attribute} [ {' '.join(values)} ]"
