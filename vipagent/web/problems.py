"""Problems that an agent knows, for `/healthz`, the metrics and the status page."""

from collections.abc import Iterator

from vipagent.telemetry.problems import (
    Fault,
    NodeProblem,
    causes_first,
    neighbor_problems,
    problem,
    process_problems,
    service_problems,
)
from vipagent.telemetry.view import AgentView, ServiceView
from vipagent.types import Reason, StoreState


def own_problems(view: AgentView) -> tuple[NodeProblem, ...]:
    """Return the problems of this node, and the VIPs that no node announces, as far as it knows.

    Likely causes of others come first.
    """
    return tuple(dict.fromkeys(causes_first(_own(view))))


def all_problems(view: AgentView) -> tuple[NodeProblem, ...]:
    """Return the problems that this node knows, then those that the other nodes have published."""
    published = (found for service in view.services for found in service.status.problems)
    others = (found for found in published if found.node not in {view.node, None})
    return tuple(dict.fromkeys([*own_problems(view), *others]))


def _own(view: AgentView) -> Iterator[NodeProblem]:
    away: set[str] = set()
    if view.store is not StoreState.CONNECTED:
        reason = Reason.STORE_LOST if view.store_reached else Reason.STORE_UNKNOWN
        yield problem(reason, view.node, detail=view.store_detail)
        away = {Reason.STORE_LOST, Reason.STORE_UNKNOWN}
    yield from process_problems(view.node, view.faults)
    for service in view.services:
        if service.record is not None:
            found = service_problems(service.name, view.node, service.record)
            yield from (seen for seen in found if seen.reason not in away)
        yield from _from_store(view, service)
    yield from neighbor_problems(view.node, view.peers)


def _from_store(view: AgentView, service: ServiceView) -> Iterator[NodeProblem]:
    """Yield the problems that only the store's contents show; `unserved` only while they are current."""
    current = view.store is StoreState.CONNECTED
    for seen in service.status.problems:
        duplicate = seen.reason == Fault.DUPLICATE_NODE and seen.node == view.node
        if duplicate or (current and seen.reason == Fault.UNSERVED):
            yield seen
