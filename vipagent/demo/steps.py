"""Steps of the demo: an action, the expected routes of the switch, and a timeout."""

from collections.abc import Callable
from dataclasses import dataclass

from vipagent.demo.cluster import NODES, Cluster, Node
from vipagent.demo.operator import Operator
from vipagent.demo.table import Table

STEP_TIMEOUT = 30.0
"""Timeout of a step in seconds: generous, for slow machines."""
FIRST_STEP_TIMEOUT = 60.0
"""Timeout of the first step in seconds, in which seven processes start."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    title: str
    act: Callable[[Cluster, Operator], None]
    expected: Callable[[Table], bool]
    unserved: bool = False
    """Whether VIPs are intentionally without a route."""
    within: float = STEP_TIMEOUT


def steps() -> tuple[Step, ...]:
    """Return the steps: start, failure, return, maintenance of a node, maintenance of the service."""
    first, second, _third = NODES
    return (
        Step(
            "start three load balancers",
            lambda cluster, _: _start_all(cluster),
            _converged,
            unserved=True,
            within=FIRST_STEP_TIMEOUT,
        ),
        Step(f"kill -9 {first.name}", lambda cluster, _: cluster.kill(first), _without(first)),
        Step(f"{first.name} returns", lambda cluster, _: cluster.start(first), _converged),
        Step(f"maintenance of {second.name}", lambda _, op: op.maintain(second.name), _without(second)),
        Step("end of that maintenance", lambda _, op: op.resume(second.name), _converged),
        Step("maintenance of the service", lambda _, op: op.maintain_all(), _unserved, unserved=True),
        Step("end of that maintenance", lambda _, op: op.resume_all(), _converged, unserved=True),
    )


def _start_all(cluster: Cluster) -> None:
    for node in NODES:
        cluster.start(node)


def _converged(table: Table) -> bool:
    """Return whether each load balancer announces only its own VIP."""
    return all(table.paths.get(node.vip, {}).keys() == {node.address} for node in NODES)


def _unserved(table: Table) -> bool:
    return not any(table.paths.values())


def _without(missing: Node) -> Callable[[Table], bool]:
    """Return a predicate: the other load balancers serve all VIPs, and `missing` none."""
    living = {node.address for node in NODES if node is not missing}

    def served(table: Table) -> bool:
        own = all(table.best(node.vip) == node.address for node in NODES if node is not missing)
        silent = all(missing.address not in paths for paths in table.paths.values())
        return own and silent and table.best(missing.vip) in living

    return served
