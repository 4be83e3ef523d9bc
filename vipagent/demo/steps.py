"""What the demo walks through: an act, what the switch must learn from it, and by when."""

from collections.abc import Callable
from dataclasses import dataclass

from vipagent.demo.cluster import NODES, Cluster, Node
from vipagent.demo.operator import Operator
from vipagent.demo.table import Table

STEP_TIMEOUT = 30.0
"""Seconds that a step may take: on a quiet machine it is some, but a demo is for any."""
FIRST_STEP_TIMEOUT = 60.0
"""Seconds for the first one, in which seven programs start."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the walk."""

    title: str
    act: Callable[[Cluster, Operator], None]
    expected: Callable[[Table], bool]
    unserved: bool = False
    """Whether VIPs are without a route on purpose."""
    within: float = STEP_TIMEOUT


def steps() -> tuple[Step, ...]:
    """Return the walk: steady, a death, the return, maintenance of a node, of the service."""
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
    """Say whether each load balancer announces its own VIP, and no other."""
    return all(table.paths.get(node.vip, {}).keys() == {node.address} for node in NODES)


def _unserved(table: Table) -> bool:
    return not any(table.paths.values())


def _without(missing: Node) -> Callable[[Table], bool]:
    """Say whether the others serve everything, and `missing` nothing."""
    living = {node.address for node in NODES if node is not missing}

    def served(table: Table) -> bool:
        own = all(table.best(node.vip) == node.address for node in NODES if node is not missing)
        silent = all(missing.address not in paths for paths in table.paths.values())
        return own and silent and table.best(missing.vip) in living

    return served
