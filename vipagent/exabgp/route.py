"""Route attributes, and the ExaBGP commands that announce and withdraw a route (A3, A5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Annotated, NamedTuple

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
SELF = "self"
"""Next hop that ExaBGP replaces by its own address of the session."""
DEFAULT_LOCAL_PREFERENCE = 100
"""Local preference that ExaBGP sends to iBGP neighbours without another one."""
ORIGINS = ("igp", "egp", "incomplete")
"""ORIGIN by rank, the last one for all higher ranks, in the order of preference and of their codes. The first
one is ExaBGP's default."""


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
        "Number of times that the local AS is prepended to the AS path, per rank. Requires local_as. Not "
        "towards iBGP neighbours, which would reject the path as a loop.",
    ] = 0
    local_as: Annotated[ASN | None, "Local AS number, for prepend."] = None
    next_hop: Annotated[
        NextHops,
        "Next hop of the routes, one per address family (default: self, ExaBGP's local address).",
    ] = ()
    community: Annotated[Communities, "Community of the routes. Repeatable."] = ()
    large_community: Annotated[LargeCommunities, "Large community of the routes. Repeatable."] = ()
    extended_community: Annotated[ExtendedCommunities, "Extended community of the routes. Repeatable."] = ()
    local_preference: Annotated[
        UInt32 | None,
        "Local preference of the routes. It reaches only iBGP neighbours; there each rank has a lower one "
        "(local_preference_step).",
    ] = None
    local_preference_step: Annotated[
        UInt32,
        "Decrement of the local preference per rank, towards iBGP neighbours. The owner's route has "
        "local_preference (default there: 100).",
    ] = 10
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


class Recipients(NamedTuple):
    """Neighbours of one kind, which receive the same line."""

    neighbors: tuple[str, ...] = ()
    """Their addresses; empty: all."""
    ibgp: bool = False
    """Whether their AS is ours."""


def recipients(settings: RouteSettings, kinds: Mapping[str, bool]) -> tuple[Recipients, ...]:
    """Return who receives the routes, by kind: all in one if their known kinds are the same (N10).

    Args:
        settings: the attributes of the routes.
        kinds: whether a neighbour is an iBGP neighbour, for each whose kind is known. If both kinds occur,
            other neighbours receive nothing unless `neighbor` names them.
    """
    addressed = settings.neighbor or tuple(sorted(kinds))
    ibgp = tuple(peer for peer in addressed if kinds.get(peer, False))
    ebgp = tuple(peer for peer in addressed if not kinds.get(peer, False))
    if ibgp and any(peer in kinds for peer in ebgp):
        return Recipients(ebgp), Recipients(ibgp, ibgp=True)
    return (Recipients(settings.neighbor, ibgp=bool(ibgp)),)


def announce(
    settings: RouteSettings,
    vip: str,
    preference: Preference,
    groups: tuple[Recipients, ...] = (Recipients(),),
) -> tuple[str, ...]:
    """Return the lines that announce `vip` with this preference, or replace its route.

    Args:
        settings: the attributes of the routes.
        vip: an address, or a prefix.
        preference: the rank, and whether the VIP is drained.
        groups: who receives the routes, from `recipients`.

    Returns:
        One line for each kind of neighbour; a single one if they do not differ.
    """
    network = ip_network(vip)
    common = f"announce route {_prefix(settings, vip)} next-hop {next_hop(settings, network.version)}"
    texts = [_attributes(settings, preference, ibgp=group.ibgp) for group in groups]
    if len(set(texts)) == 1:
        return (f"{_selector(settings.neighbor)}{common} {texts[0]}",)
    return tuple(
        f"{_selector(group.neighbors)}{common} {text}" for group, text in zip(groups, texts, strict=True)
    )


def _attributes(settings: RouteSettings, preference: Preference, *, ibgp: bool) -> str:
    """Return the attributes that depend on the role, on the rank and on the kind of neighbour (A3, N10)."""
    rank, role = preference.rank, settings.attributes(preference.rank)
    communities = (*role.community, GRACEFUL_SHUTDOWN) if preference.draining else role.community
    attributes = [f"med {settings.med + settings.med_step * rank}"]
    local_preference = _local_preference(settings, rank) if ibgp else role.local_preference
    if local_preference is not None:
        attributes.append(f"local-preference {local_preference}")
    if settings.local_as is not None and settings.prepend and rank and not ibgp:
        # An explicit path replaces ExaBGP's default path, so it needs the local AS once more than prepended.
        attributes.append(_format("as-path", (str(settings.local_as),) * (settings.prepend * rank + 1)))
    attributes += [_format("community", communities)] if communities else []
    attributes += [_format("large-community", role.large_community)] if role.large_community else []
    attributes += [_format("extended-community", role.extended_community)] if role.extended_community else []
    attributes += [f"origin {origin}"] if (origin := _origin(preference)) != ORIGINS[0] else []
    return " ".join(attributes)


def _origin(preference: Preference) -> str:
    """Return ORIGIN, which orders routes of different ASes, too: a draining one comes last (A3, H2)."""
    return ORIGINS[-1 if preference.draining else min(preference.rank, len(ORIGINS) - 1)]


def respelled(line: str) -> str:
    """Return another spelling of an announcement: the same update for the neighbours, but not for ExaBGP.

    ExaBGP compares the text of the attributes, and ignores an announcement that it already has. A generic
    attribute has another text, and the same bytes (4.2 and 5).
    """
    rest, _, origin = line.partition(" origin ")
    return f"{rest} attribute [ 0x01 0x40 0x{ORIGINS.index(origin or ORIGINS[0]):02x} ]"


def _local_preference(settings: RouteSettings, rank: int) -> int | None:
    """Return the local preference towards iBGP neighbours; None if it is ExaBGP's default."""
    own = settings.roles.primary if rank == 0 else settings.roles.standby
    if own.local_preference is not None or rank == 0 or not settings.local_preference_step:
        return settings.attributes(rank).local_preference
    first = DEFAULT_LOCAL_PREFERENCE if settings.local_preference is None else settings.local_preference
    return max(0, first - settings.local_preference_step * rank)


def withdraw(settings: RouteSettings, vip: str) -> str:
    """Return the command that withdraws `vip` with any attributes."""
    return f"{_selector(settings.neighbor)}withdraw route {_prefix(settings, vip)}"


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


def next_hop(settings: RouteSettings, version: int) -> str:
    """Return the next hop of the routes of an IP version."""
    hops = (hop for hop in settings.next_hop if hop != SELF)
    return next((hop for hop in hops if ip_address(hop).version == version), SELF)


def _joined(common: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*common, *own)))


def _prefix(settings: RouteSettings, vip: str) -> str:
    path = "" if settings.path_id is None else f" path-information {settings.path_id}"
    return f"{ip_network(vip)}{path}"


def _selector(neighbors: tuple[str, ...]) -> str:
    selector = ", ".join(f"neighbor {neighbor}" for neighbor in neighbors)
    return f"{selector} " if selector else ""


def _format(name: str, values: tuple[str, ...]) -> str:
    return f"{name} [ {' '.join(values)} ]"
