"""Examples of an agent's view."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vipagent.core.actions import Publish, Report, VipReport
from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import Kind
from vipagent.store.records import NodeState, Registration
from vipagent.telemetry.counters import AgentCounters, ServiceCounters
from vipagent.telemetry.facts import vip_state
from vipagent.telemetry.summary import summarize
from vipagent.telemetry.view import AgentView, ServiceView
from vipagent.types import CheckState, Neighbor, Reason, SessionState, StoreState

OWN, TAKEN, OTHERS = "10.0.0.1", "10.0.0.2", "2001:db8::3"
VIPS = {
    OWN: VipReport(Reason.OWNER, 0, owned=True, accepted=True, in_table=True, local=True),
    TAKEN: VipReport(Reason.TAKEOVER, 1, owned=False, accepted=True, in_table=True, local=True),
    OTHERS: VipReport(Reason.STANDBY, None, owned=False),
}
PEERS = (
    Neighbor("192.0.2.1", SessionState.ESTABLISHED, 65001, 65000, ("ipv4 unicast",), 9, "eth0"),
    Neighbor("192.0.2.2", SessionState.ESTABLISHED, 65001, 65000, ("ipv4 unicast",), 9, "eth1"),
)


def report(
    vips: Mapping[str, VipReport] = VIPS, check: CheckState = CheckState.UP, conflicts: Mapping[str, str] = {}
) -> Report:
    return Report(check, 2, vips, conflicts, maintenance="", detail="")


def record(node_report: Report | None = None, **changes: Any) -> NodeState:
    """Return the record of this node."""
    seen = node_report or report()
    vips = {vip: vip_state(vip_report) for vip, vip_report in seen.vips.items()}
    state = NodeState("node1", seen.check, vips=vips, neighbors=2, peers=PEERS, table=True, addresses=True)
    return replace(state, **changes)


def snapshots() -> dict[Kind, Snapshot]:
    return {
        Kind.MEMBERS: {
            OWN: Entry(Registration("node1", "i").dump()),
            OTHERS: Entry(Registration("node3", "k").dump()),
            "not-an-address": Entry(),
        },
        Kind.STATES: {"node1": Entry(record().dump())},
        Kind.MAINTENANCE: {},
    }


def service(name: str = "apex") -> ServiceView:
    counters = ServiceCounters()
    counters.executed(Publish(report()))
    return ServiceView(name, report(), counters, summarize(name, snapshots(), VIPS), record())


def view(
    *services: ServiceView,
    ending: bool = False,
    store: StoreState = StoreState.CONNECTED,
    peers: tuple[Neighbor, ...] = PEERS,
) -> AgentView:
    counters = AgentCounters()
    counters.session(StoreState.CONNECTED)
    return AgentView("node1", "memory", store, "here", 2, ending, counters, services or (service(),), peers)
