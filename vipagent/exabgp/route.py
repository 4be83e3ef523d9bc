"""Route attributes, and the ExaBGP commands that announce and withdraw a route (A3, A5)."""

from collections.abc import Mapping
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

GRACEFUL_SHUTDOWN = "65535:0"
"""GRACEFUL_SHUTDOWN community (RFC 8326): neighbours prefer any other path."""


@dataclass(frozen=True)
class Attributes(Section):
    """Attributes of the routes of one role, added to the common ones (A3)."""

    community: Annotated[Communities, "Additional communities of this role."] = ()
    large_community: Annotated[LargeCommunities, "Additional large communities of this role."] = ()
    extended_community: Annotated[ExtendedCommunities, "Additional extended communities of this role."] = ()
    local_preference: Annotated[UInt32 | None, "Local preference that overrides the common one."] = None


@dataclass(frozen=True)
class Roles(Section):
    """`roles:` (A3)."""

    primary: Annotated[Attributes, "Attributes of the owner's routes (rank 0)."] = Attributes()
    standby: Annotated[Attributes, "Attributes of all other nodes' routes."] = Attributes()


@dataclass(frozen=True)
class RouteSettings(Section):
    """Attributes of a service's routes. Validated, so that no value can break a command (A5)."""

    med: Annotated[UInt32, "MED of the owner's route.", Metavar("MED")] = 100
    med_step: Annotated[UInt32, "Increment of the MED per rank.", Metavar("MED")] = 100
    prepend: Annotated[
        Count,
        "Number of times per rank that the local AS is prepended to the AS path. Requires local_as; ignored "
        "for iBGP neighbours, which would reject the path as a loop.",
    ] = 0
    local_as: Annotated[ASN | None, "Local AS number for prepend."] = None
    next_hop: Annotated[
        NextHops,
        "Next hop of the routes, one per address family (default: self, ExaBGP's own address).",
    ] = ()
    community: Annotated[Communities, "Community of the routes. Repeatable."] = ()
    large_community: Annotated[LargeCommunities, "Large community of the routes. Repeatable."] = ()
    extended_community: Annotated[ExtendedCommunities, "Extended community of the routes. Repeatable."] = ()
    local_preference: Annotated[UInt32 | None, "Local preference of the routes (iBGP)."] = None
    roles: Annotated[
        Roles,
        "Additional communities and local preference of the owner (primary) and of the other nodes "
        "(standby).",
    ] = Roles()
    path_id: Annotated[UInt32 | None, "Path identifier (ADD-PATH)."] = None
    neighbor: Annotated[
        Neighbors,
        "BGP neighbour that receives the routes, as in exabgp.conf (default: all). Repeatable.",
    ] = ()

    def attributes(self, rank: int) -> Attributes:
        """Return the attributes of a rank's routes: the common ones, then those of its role."""
        own = self.roles.primary if rank == 0 else self.roles.standby
        return Attributes(
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
    words = [
        f"next-hop {_next_hop(settings, network.version)}",
        f"med {settings.med + settings.med_step * preference.rank}",
    ]
    if role.local_preference is not None:
        words.append(f"local-preference {role.local_preference}")
    if settings.local_as is not None and settings.prepend and preference.rank:
        # An explicit path replaces ExaBGP's default one, which already contains the local AS once.
        words.append(_listed("as-path", (str(settings.local_as),) * (settings.prepend * preference.rank + 1)))
    words += [_listed("community", communities)] if communities else []
    words += [_listed("large-community", role.large_community)] if role.large_community else []
    words += [_listed("extended-community", role.extended_community)] if role.extended_community else []
    return f"{_addressed(settings)}announce route {_route(settings, vip)} {' '.join(words)}"


def withdraw(settings: RouteSettings, vip: str) -> str:
    """Return the command that withdraws `vip`, regardless of its attributes."""
    return f"{_addressed(settings)}withdraw route {_route(settings, vip)}"


def loops(settings: RouteSettings, asns: Mapping[str, int]) -> tuple[str, ...]:
    """Return the iBGP neighbours, which would reject a prepended path as a loop (N10).

    Args:
        settings: the settings of the routes.
        asns: the AS number of each neighbour.
    """
    if not settings.prepend or settings.local_as is None:
        return ()
    ours = {peer for peer, asn in asns.items() if asn == settings.local_as}
    return tuple(sorted(ours & set(settings.neighbor) if settings.neighbor else ours))


def replaces(new: RouteSettings, old: RouteSettings) -> bool:
    """Return whether an announcement with `new` replaces one with `old` instead of adding a second path."""
    return (new.path_id, new.neighbor) == (old.path_id, old.neighbor)


def _next_hop(settings: RouteSettings, version: int) -> str:
    hops = (hop for hop in settings.next_hop if hop != "self")
    return next((hop for hop in hops if ip_address(hop).version == version), "self")


def _joined(common: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*common, *own)))


def _route(settings: RouteSettings, vip: str) -> str:
    path = "" if settings.path_id is None else f" path-information {settings.path_id}"
    return f"{ip_network(vip)}{path}"


def _addressed(settings: RouteSettings) -> str:
    neighbors = ", ".join(f"neighbor {neighbor}" for neighbor in settings.neighbor)
    return f"{neighbors} " if neighbors else ""


def _listed(attribute: str, values: tuple[str, ...]) -> str:
    return f"{attribute} [ {' '.join(values)} ]"
