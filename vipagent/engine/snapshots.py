"""Converts snapshots of the store to events of the core; unknown entries are ignored and counted (A5, S1)."""

from collections.abc import Collection, Mapping

from vipagent.core import events
from vipagent.core.settings import ServiceSettings
from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import WHOLE_SERVICE, Kind, member_name
from vipagent.store.records import Maintenance, Registration
from vipagent.types import Claim

NOT_OWNED = events.Member()
"""Member of a VIP that this node does not own, whose holder no decision depends on."""


def members_seen(snapshot: Snapshot, names: Mapping[str, str], owned: Collection[str]) -> events.MembersSeen:
    """Return the members among the VIPs of the pool.

    Args:
        snapshot: the directory of members.
        names: the VIPs of the pool, by entry name.
        owned: the VIPs owned by this node, whose holder is determined.
    """
    members = {}
    for name, vip in names.items():
        entry = snapshot.get(name)
        if entry is not None:
            members[vip] = _member(entry) if vip in owned else NOT_OWNED
    return events.MembersSeen(members)


def _member(entry: Entry) -> events.Member:
    """Return the holder of a registration, with its names if it is not this agent."""
    if entry.claim is Claim.OURS:
        return events.Member(entry.claim)
    registration = Registration.load(entry.value)
    return events.Member(entry.claim, registration.node, registration.host)


def required_values(settings: ServiceSettings) -> Mapping[Kind, frozenset[str]]:
    """Return the directories that decisions depend on, and the entries whose values are needed."""
    own = frozenset(member_name(vip) for vip in settings.owned)
    return {Kind.MEMBERS: own, Kind.MAINTENANCE: frozenset({WHOLE_SERVICE, settings.node})}


def unknown_names(snapshot: Snapshot, names: Mapping[str, str]) -> frozenset[str]:
    """Return the entry names in a directory of members that are not VIPs of the pool."""
    return frozenset(snapshot.keys() - names.keys())


def maintenance_seen(snapshot: Snapshot, node: str) -> events.MaintenanceSeen:
    """Return the maintenance keys that apply to this node."""
    of_service = snapshot.get(WHOLE_SERVICE)
    of_node = snapshot.get(node)
    key = of_service or of_node
    maintenance = Maintenance.load(key.value) if key else Maintenance()
    return events.MaintenanceSeen(
        service=of_service is not None,
        node=of_node is not None,
        now=of_node is not None and Maintenance.load(of_node.value).now,
        why=maintenance.describe() if key else "",
    )
