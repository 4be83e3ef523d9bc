"""A sample view of an agent."""

from collections.abc import Mapping

from vipagent.core.actions import Publish, Report, VipReport
from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import Kind
from vipagent.store.records import NodeState, Registration, VipState
from vipagent.telemetry.counters import AgentCounters, ServiceCounters
from vipagent.telemetry.summary import summarize
from vipagent.telemetry.view import AgentView, ServiceView
from vipagent.types import CheckState, Reason, StoreState

OWN, TAKEN, OTHERS = "10.0.0.1", "10.0.0.2", "2001:db8::3"
VIPS = {
    OWN: VipReport(Reason.OWNER, 0, owned=True),
    TAKEN: VipReport(Reason.TAKEOVER, 1, owned=False),
    OTHERS: VipReport(Reason.STANDBY, None, owned=False),
}


def report(
    vips: Mapping[str, VipReport] = VIPS, check: CheckState = CheckState.UP, conflicts: Mapping[str, str] = {}
) -> Report:
    return Report(check, 2, vips, conflicts, maintenance="", detail="")


def snapshots() -> dict[Kind, Snapshot]:
    vips = {vip: VipState(str(seen.reason), seen.rank, seen.owned) for vip, seen in VIPS.items()}
    state = NodeState("node1", "up", vips=vips)
    return {
        Kind.MEMBERS: {
            OWN: Entry(Registration("node1", "i").dump()),
            OTHERS: Entry(Registration("node3", "k").dump()),
            "not-an-address": Entry(),
        },
        Kind.STATES: {"node1": Entry(state.dump())},
        Kind.MAINTENANCE: {},
    }


def service(name: str = "apex") -> ServiceView:
    counters = ServiceCounters()
    counters.executed(Publish(report()))
    return ServiceView(name, report(), counters, summarize(name, snapshots(), VIPS))


def view(*services: ServiceView, ending: bool = False, store: StoreState = StoreState.CONNECTED) -> AgentView:
    counters = AgentCounters()
    counters.session(StoreState.CONNECTED)
    return AgentView("node1", "memory", store, "here", 2, ending, counters, services or (service(),))
