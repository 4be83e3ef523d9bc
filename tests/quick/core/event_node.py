"""A node driven by events of the core: each is converted to the corresponding engine input."""

from tests.simulation.node import Node
from vipagent.core import actions, events
from vipagent.engine import inputs
from vipagent.store.backend import Entry
from vipagent.store.layout import WHOLE_SERVICE, Directory, Kind, member_name
from vipagent.store.records import Maintenance, Registration

SendableEvent = (
    events.CheckFinished
    | events.MembersSeen
    | events.MaintenanceSeen
    | events.StoreChanged
    | events.Reconfigured
)


class EventNode(Node):
    """A node that accepts events of the core."""

    def send(self, event: SendableEvent) -> list[actions.Action]:
        """Send an event; return the actions of the core."""
        match event:
            case events.CheckFinished():
                return self.handle(inputs.CheckRan(self.settings.name, event))
            case events.StoreChanged(state):
                return self.handle(inputs.StoreSession(state, ""))
            case events.MembersSeen(members):
                return self._snapshot(
                    Kind.MEMBERS, {member_name(vip): _entry(members[vip]) for vip in members}
                )
            case events.MaintenanceSeen():
                return self._snapshot(Kind.MAINTENANCE, dict(self._keys(event)))
            case events.Reconfigured(settings):
                return self.reconfigure(settings)

    def _snapshot(self, kind: Kind, entries: dict[str, Entry]) -> list[actions.Action]:
        return self.handle(inputs.SnapshotRead(Directory(kind, self.settings.name), entries))

    def _keys(self, seen: events.MaintenanceSeen) -> list[tuple[str, Entry]]:
        of_service = [(WHOLE_SERVICE, Entry())] if seen.service else []
        of_node = [(self.settings.node, Entry(Maintenance(now=seen.now).dump()))] if seen.node else []
        return of_service + of_node


def _entry(member: events.Member) -> Entry:
    return Entry(Registration(member.node, "").dump(), member.claim)
