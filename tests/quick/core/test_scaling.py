"""Cost of a decision as the pool grows, as ratios of CPU time within one run."""

import time

import pytest

from tests.quick.core.harness import CoreHarness
from vipagent.core import events
from vipagent.types import StoreState

FEW, TIMES = 40, 6
TOLERANCE = 3.0
"""Allowed deviation from linear growth; quadratic growth would be a factor of six."""


def survivor(nodes: int, takeover: str) -> CoreHarness:
    """Return the only surviving node of a pool, settled and ready to take over all VIPs."""
    owners = tuple((f"10.0.{number // 250}.{number % 250}",) for number in range(1, nodes + 1))
    node = CoreHarness(accepted=False, owned=owners[0], owners=owners, takeover=takeover)
    node.store(StoreState.CONNECTED)
    node.maintenance()
    node.members(*owners[0])
    node.neighbors(1)
    return node


def takeover_cpu_time(nodes: int, takeover: str) -> float:
    """Return the CPU time of one survivor's takeover of all VIPs, including ExaBGP's replies."""
    node = survivor(nodes, takeover)
    started = time.process_time()
    node.good()
    taken = node.wait(10)
    for line in taken:
        node.send(events.RouteAccepted(line.split()[1]))
    assert len(taken) == nodes - 1
    return time.process_time() - started


@pytest.mark.parametrize("takeover", ["all", "one", "ranked"])
def test_takeover_of_a_whole_pool_has_linear_cost(takeover: str) -> None:
    few = min(takeover_cpu_time(FEW, takeover) for _ in range(5))
    many = min(takeover_cpu_time(FEW * TIMES, takeover) for _ in range(3))
    assert many < TIMES * TOLERANCE * few
