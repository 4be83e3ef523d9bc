"""A route as ExaBGP is asked for it, and the two commands that ask (A3, A5)."""

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
    Neighbors,
    NextHops,
    Number32,
    Section,
    Unit,
)
from vipagent.core.actions import Preference

GRACEFUL_SHUTDOWN = "65535:0"
"""RFC 8326: the neighbours are to prefer any other path."""


@dataclass(frozen=True)
class Attributes(Section):
    """What is sent along with the routes of one role, on top of what all routes have (A3)."""

    community: Annotated[Communities, "Communities of this role alone."] = ()
    large_community: Annotated[LargeCommunities, "Large communities of this role alone."] = ()
    extended_community: Annotated[ExtendedCommunities, "Extended communities of this role alone."] = ()
    local_preference: Annotated[Number32 | None, "Local preference, in place of the common one."] = None


@dataclass(frozen=True)
class Roles(Section):
    """`roles:` (A3)."""

    primary: Annotated[Attributes, "What the owner (rank 0) sends along."] = Attributes()
    standby: Annotated[Attributes, "What all others send along."] = Attributes()


@dataclass(frozen=True)
class RouteSettings(Section):
    """How a service's routes look. Validated: nothing here can break a command (A5)."""

    med: Annotated[Number32, "MED of the owner's route.", Unit("MED")] = 100
    med_step: Annotated[Number32, "What each rank adds to the MED.", Unit("MED")] = 100
    prepend: Annotated[
        Count,
        "How many times per rank the own AS is put in front of the AS path. Needs local_as; ignored with "
        "iBGP neighbours, for which the path would be a loop.",
    ] = 0
    local_as: Annotated[ASN | None, "The own AS number, for prepend."] = None
    next_hop: Annotated[
        NextHops,
        "Next hop of the routes, one per address family; by default ExaBGP's own address (self).",
    ] = ()
    community: Annotated[Communities, "Community sent along with the routes. May be several."] = ()
    large_community: Annotated[
        LargeCommunities, "Large community sent along with the routes. May be several."
    ] = ()
    extended_community: Annotated[
        ExtendedCommunities, "Extended community sent along with the routes. May be several."
    ] = ()
    local_preference: Annotated[Number32 | None, "Local preference of the routes (iBGP)."] = None
    roles: Annotated[
        Roles,
        "Communities and local preference of the owner (primary) and of all others (standby), on top of "
        "the common ones.",
    ] = Roles()
    path_id: Annotated[Number32 | None, "Path identifier (ADD-PATH)."] = None
    neighbor: Annotated[
        Neighbors,
        "BGP neighbour that gets the routes, as in exabgp.conf. May be several; by default all.",
    ] = ()

    def attributes(self, rank: int) -> Attributes:
        """Return all that the routes of this rank send along: what is common, then what is its role's."""
        own = self.roles.primary if rank == 0 else self.roles.standby
        return Attributes(
            _joined(self.community, own.community),
            _joined(self.large_community, own.large_community),
            _joined(self.extended_community, own.extended_community),
            self.local_preference if own.local_preference is None else own.local_preference,
        )


def announce(settings: RouteSettings, vip: str, preference: Preference) -> str:
    """Return the command that announces `vip`, or replaces its route, with this preference."""
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
        # An explicit path replaces ExaBGP's default one: the own AS stands in it once more than prepended.
        words.append(_listed("as-path", (str(settings.local_as),) * (settings.prepend * preference.rank + 1)))
    words += [_listed("community", communities)] if communities else []
    words += [_listed("large-community", role.large_community)] if role.large_community else []
    words += [_listed("extended-community", role.extended_community)] if role.extended_community else []
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
    return tuple(sorted(ours & set(settings.neighbor) if settings.neighbor else ours))


def replaces(new: RouteSettings, old: RouteSettings) -> bool:
    """Say whether an announcement with `new` takes the place of one with `old`: else both would be there."""
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
