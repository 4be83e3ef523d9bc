"""VIPs that no node announces: a problem of the service, not of a node."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from vipagent.store.backend import Snapshot
from vipagent.store.layout import WHOLE_SERVICE, Kind
from vipagent.store.records import NodeState
from vipagent.telemetry.problems import Fault, NodeProblem, first_of, problem

if TYPE_CHECKING:
    from vipagent.telemetry.summary import VipStatus


def unserved_problems(
    service: str,
    vips: "Sequence[VipStatus]",
    snapshots: Mapping[Kind, Snapshot],
    states: Mapping[str, NodeState],
    owners: Iterable[str],
) -> Iterator[NodeProblem]:
    """Yield one problem for all VIPs that no node announces to a BGP neighbour; none in maintenance.

    Args:
        service: its name.
        vips: its VIPs.
        snapshots: its directories that have been read.
        states: the nodes' records. One that omits VIPs may be of a node that serves them.
        owners: the registered nodes. One without a record may have taken over any VIP.
    """
    if len(snapshots) < len(Kind) or WHOLE_SERVICE in snapshots[Kind.MAINTENANCE]:
        return
    if not states.keys() >= set(owners) or any(state.omitted for state in states.values()):
        return
    unserved = [seen.vip for seen in vips if not (seen.holder or any(by.counted for by in seen.announced_by))]
    if unserved:
        yield problem(Fault.UNSERVED, None, service, vip=unserved[0], detail=first_of(unserved))
