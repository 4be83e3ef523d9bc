"""From a store's snapshots to the core's events: whatever else lies there is ignored and counted (A5, S1)."""

from collections.abc import Iterable, Mapping

from vipagent.core.events import MaintenanceSeen, Member, MembersSeen
from vipagent.core.settings import ServiceSettings
from vipagent.store.backend import Snapshot
from vipagent.store.layout import WHOLE_SERVICE, Kind, member_name
from vipagent.store.records import Maintenance, Registration


def members_seen(snapshot: Snapshot, pool: Iterable[str]) -> MembersSeen:
    """Return the members among the pool's VIPs; a name that is not one of them means nothing here."""
    members = {}
    for vip in pool:
        entry = snapshot.get(member_name(vip))
        if entry is not None:
            members[vip] = Member(entry.claim, Registration.load(entry.value).node)
    return MembersSeen(members)


def required_values(settings: ServiceSettings) -> Mapping[Kind, frozenset[str]]:
    """Return the directories that a node decides by, and the entries whose values it needs."""
    own = frozenset(member_name(vip) for vip in settings.owned)
    return {Kind.MEMBERS: own, Kind.MAINTENANCE: frozenset({WHOLE_SERVICE, settings.node})}


def unknown_names(snapshot: Snapshot, pool: Iterable[str]) -> frozenset[str]:
    """Return the names in a directory of members that are no VIP of the pool."""
    return frozenset(snapshot) - {member_name(vip) for vip in pool}


def maintenance_seen(snapshot: Snapshot, node: str) -> MaintenanceSeen:
    """Return what the maintenance keys mean for this node."""
    of_service = snapshot.get(WHOLE_SERVICE)
    of_node = snapshot.get(node)
    key = of_service or of_node
    maintenance = Maintenance.load(key.value) if key else Maintenance()
    return MaintenanceSeen(
        service=of_service is not None,
        node=of_node is not None,
        now=of_node is not None and Maintenance.load(of_node.value).now,
        why=maintenance.in_words() if key else "",
    )
