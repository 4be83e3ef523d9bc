"""Forecasts of whole pools, through deaths and returns of nodes."""

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.core.forecast import Forecast, pool
from vipagent.testing.slowness import allowed
from vipagent.types import Takeover

policies = st.sampled_from(Takeover)


@given(nodes=st.integers(1, 40), extra=st.integers(0, 100))
def test_a_pool_is_distributed_evenly(nodes: int, extra: int) -> None:
    owners = pool(nodes, nodes + extra)
    sizes = [len(vips) for vips in owners]
    assert len({vip for vips in owners for vip in vips}) == nodes + extra
    assert sum(sizes) == nodes + extra
    assert max(sizes) - min(sizes) <= 1


@given(policy=policies, nodes=st.integers(3, 12), size=st.integers(1, 5), data=st.data())
def test_only_orphans_move_and_none_needlessly(
    policy: Takeover, nodes: int, size: int, data: st.DataObject
) -> None:
    forecast = Forecast(pool(nodes, nodes * size), policy)
    dead: frozenset[int] = frozenset()
    some = st.frozensets(st.integers(0, nodes - 1), max_size=nodes - 1)
    for after in data.draw(st.lists(some, max_size=5)):
        one = forecast.step("random change", after)
        assert one.needless == 0
        assert one.orphans == size * len(after)
        assert one.moved <= size * len(dead | after)
        dead = after


@pytest.mark.parametrize("policy", [Takeover.ONE, Takeover.RANKED])
def test_one_death_moves_its_own_vips_evenly_and_the_return_moves_them_back(policy: Takeover) -> None:
    forecast = Forecast(pool(20, 200), policy)
    death = forecast.step("one dies", {7})
    assert (death.orphans, death.moved, death.spread) == (10, 10, 1)
    back = forecast.step("it is back", set())
    assert (back.orphans, back.moved, back.spread) == (0, 10, 0)


def test_takers_listed_per_policy() -> None:
    owners = pool(4, 4)
    takers = {policy: Forecast(owners, policy).step("", {0}).takers["10.0.0.1"] for policy in Takeover}
    assert takers[Takeover.ALL] == ()
    assert len(takers[Takeover.ONE]) == 1
    assert len(takers[Takeover.RANKED]) == 3
    assert takers[Takeover.RANKED][0] == takers[Takeover.ONE][0]


def test_only_the_orphans_of_a_dead_taker_move() -> None:
    forecast = Forecast(pool(4, 4), Takeover.ONE)
    (first,) = forecast.step("", {0}).takers["10.0.0.1"]
    taker = int(first.removeprefix("node")) - 1
    second = forecast.step("", {0, taker})
    assert (second.orphans, second.moved) == (2, 2)
    assert second.takers["10.0.0.1"] != (first,)


def test_policy_all_gives_every_orphan_to_every_survivor() -> None:
    one = Forecast(pool(5, 10), Takeover.ALL).step("", {0, 1})
    assert (one.least, one.most) == (2 + 4, 2 + 4)


@pytest.mark.slow
def test_a_thousand_nodes_within_ten_seconds() -> None:
    """50 nodes die, then 50 more, then all return; a rack is spread evenly, random nodes almost evenly."""
    owners, rng = pool(1000, 10_000), Random(0)
    started = time.process_time()
    for dying, bound in ((rng.sample(range(1000), 100), 5), (list(range(300, 400)), 2)):
        forecast = Forecast(owners, Takeover.RANKED)
        first = forecast.step("50 die", set(dying[:50]))
        second = forecast.step("50 more die", set(dying))
        returns = [forecast.step("one is back", set(dying[:left])) for left in reversed(range(100))]
        assert (first.orphans, first.moved, second.orphans) == (500, 500, 1000)
        assert first.spread <= bound
        assert second.moved <= 560
        assert not any(one.needless for one in [second, *returns])
    assert time.process_time() - started < allowed(10)
