"""Route attributes, and the ExaBGP commands that announce and withdraw a route (A3, A5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Annotated

from vipagent.config.values import (
    ASN,
    Communities,
    Count,
    ExtendedCommunities,
    LargeCommunities,
    Metavar,
    Neighbors,
    NextHops,
    Section,
    UInt32,
)
from vipagent.core.actions import Preference
from vipagent.exabgp.table import RouteIdentity

GRACEFUL_SHUTDOWN = "65535:0"
"""RFC 8326: neighbours should prefer any other path."""


@dataclass(frozen=True)
class RoleAttributes(Section):
    """Attributes of the routes of one role, in addition to the common ones (A3)."""

    community: Annotated[Communities, "Additional communities of this role."] = ()
    large_community: Annotated[LargeCommunities, "Additional large communities of this role."] = ()
    extended_community: Annotated[ExtendedCommunities, "Additional extended communities of this role."] = ()
    local_preference: Annotated[UInt32 | None, "Local preference that overrides the common one."] = None


@dataclass(frozen=True)
class Roles(Section):
    """`roles:` (A3)."""

    primary: Annotated[RoleAttributes, "Attributes of the owner's routes (rank 0)."] = RoleAttributes()
    standby: Annotated[RoleAttributes, "Attributes of all other routes."] = RoleAttributes()


@dataclass(frozen=True)
class RouteSettings(Section):
    """Attributes of a service's routes. Validated, so that no value can break a command (A5)."""

    med: Annotated[UInt32, "MED of the owner's route.", Metavar("MED")] = 100
    med_step: Annotated[UInt32, "Increment of the MED per rank.", Metavar("MED")] = 100
    prepend: Annotated[
        Count,
        "Number of times that the local AS is prepended to the AS path, per rank. Requires local_as; ignored "
        "with iBGP neighbours, which would reject the path as a loop.",
    ] = 0
    local_as: Annotated[ASN | None, "Local AS number, for prepend."] = None
    next_hop: Annotated[
        NextHops,
        "Next hop of the routes, one per address family (default: self, ExaBGP's local address).",
    ] = ()
    community: Annotated[Communities, "Community of the routes. Repeatable."] = ()
    large_community: Annotated[LargeCommunities, "Large community of the routes. Repeatable."] = ()
    extended_community: Annotated[ExtendedCommunities, "Extended community of the routes. Repeatable."] = ()
    local_preference: Annotated[UInt32 | None, "Local preference of the routes (iBGP)."] = None
    roles: Annotated[
        Roles,
        "Communities and local preference of the owner's routes (primary) and of all others (standby), in "
        "addition to the common ones.",
    ] = Roles()
    path_id: Annotated[UInt32 | None, "Path identifier (ADD-PATH)."] = None
    neighbor: Annotated[
        Neighbors,
        "BGP neighbour that receives the routes, as in exabgp.conf (default: all). Repeatable.",
    ] = ()

    def attributes(self, rank: int) -> RoleAttributes:
        """Return the attributes of the routes of this rank: the common ones, then those of the role."""
        own = self.roles.primary if rank == 0 else self.roles.standby
        return RoleAttributes(
            _joined(self.community, own.community),
            _joined(self.large_community, own.large_community),
            _joined(self.extended_community, own.extended_community),
            self.local_preference if own.local_preference is None else own.local_preference,
        )


def announce(settings: RouteSettings, vip: str, preference: Preference) -> str:
    """Return the command that announces `vip` with this preference, or replaces its route."""
    network = ip_network(vip)
    role = settings.attributes(preference.rank)
    communities = (*role.community, GRACEFUL_SHUTDOWN) if preference.draining else role.community
    attributes = [
        f"next-hop {_next_hop(settings, network.version)}",
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
    attributes += [_format("large-community", role.large_community)] if role.large_community else []
    attributes += [_format("extended-community", role.extended_community)] if role.extended_community else []
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
    return tuple(sorted(ours & set(settings.neighbor) if settings.neighbor else ours))


def replaces(new: RouteSettings, old: RouteSettings) -> bool:
    """Return whether an announcement with `new` replaces one with `old`; otherwise both would coexist."""
    return (new.path_id, new.neighbor) == (old.path_id, old.neighbor)


def identities(settings: RouteSettings, vips: Iterable[str]) -> frozenset[RouteIdentity]:
    """Return the identities of the routes that these VIPs have with these settings."""
    return frozenset(
        RouteIdentity(str(ip_network(vip)), settings.path_id, tuple(sorted(set(settings.neighbor))))
        for vip in vips
    )


def withdraw_left(route: RouteIdentity) -> str:
    """Return the command that withdraws a route that an earlier configuration has announced."""
    settings = RouteSettings(path_id=route.path_id, neighbor=route.neighbors)
    return withdraw(settings, route.prefix)


def _next_hop(settings: RouteSettings, version: int) -> str:
    hops = (hop for hop in settings.next_hop if hop != "self")
    return next((hop for hop in hops if ip_address(hop).version == version), "self")


def _joined(common: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*common, *own)))


def _prefix(settings: RouteSettings, vip: str) -> str:
    path = "" if settings.path_id is None else f" path-information {settings.path_id}"
    return f"{ip_network(vip)}{path}"


def _neighbor_selector(settings: RouteSettings) -> str:
    neighbors = ", ".join(f"neighbor {neighbor}" for neighbor in settings.neighbor)
    return f"{neighbors} " if neighbors else ""


def _format(name: str, values: tuple[str, ...]) -> str:
    return f"{name} [ {' '.join(values)} ]"
