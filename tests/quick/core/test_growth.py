"""What a decision costs as the pool grows: ratios of CPU time, measured in one run."""

import time

import pytest

from tests.quick.core.story import Story
from vipagent.core import events
from vipagent.types import StoreState

FEW, TIMES = 40, 6
TOLERANCE = 3.0
"""How much more than in proportion is still noise: a square is six times that."""


def survivor(owners: int, takeover: str) -> Story:
    """Return the only node that is left of so many, settled and about to take all over."""
    seats = tuple((f"10.0.{number // 250}.{number % 250}",) for number in range(1, owners + 1))
    node = Story(accepted=False, owned=seats[0], seats=seats, takeover=takeover)
    node.store(StoreState.CONNECTED)
    node.maintenance()
    node.members(*seats[0])
    node.neighbors(1)
    return node


def seconds_of_a_takeover(owners: int, takeover: str) -> float:
    """Return the CPU time that one survivor needs to take all over, ExaBGP's replies included."""
    node = survivor(owners, takeover)
    began = time.process_time()
    node.good()
    taken = node.wait(10)
    for line in taken:
        node.tell(events.RouteAccepted(line.split()[1]))
    assert len(taken) == owners - 1
    return time.process_time() - began


@pytest.mark.parametrize("takeover", ["all", "one", "ranked"])
def test_a_take_over_of_a_whole_pool_costs_in_proportion(takeover: str) -> None:
    few = min(seconds_of_a_takeover(FEW, takeover) for _ in range(5))
    many = min(seconds_of_a_takeover(FEW * TIMES, takeover) for _ in range(3))
    assert many < TIMES * TOLERANCE * few
