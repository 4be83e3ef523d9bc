from collections import Counter
from collections.abc import Sequence, Set
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.core.preference import Preferences, order

Owners = list[list[str]]


def pool(*sizes: int) -> Owners:
    """Return a pool whose owners have these numbers of VIPs."""
    return [[f"10.{owner}.0.{number}" for number in range(size)] for owner, size in enumerate(sizes)]


pools = st.lists(st.integers(1, 9), min_size=2, max_size=9).map(lambda sizes: pool(*sizes))


@st.composite
def deaths(draw: st.DrawFn) -> tuple[Owners, frozenset[int]]:
    """Draw a pool and a set of dead owners, at least one but not all."""
    owners = draw(pools)
    dead = draw(st.frozensets(st.integers(0, len(owners) - 1), min_size=1, max_size=len(owners) - 1))
    return owners, dead


def before(owners: Owners, vip: str, node: Sequence[str]) -> set[int]:
    """Return the owners that come before a node with these VIPs in the order for `vip`."""
    return set(Preferences(owners, node).candidates_before(vip, range(len(owners))))


def takers(owners: Owners, dead: Set[int]) -> dict[str, int]:
    """Return the taker of each orphan, as computed by each survivor."""
    taken: dict[str, int] = {}
    for survivor in set(range(len(owners))) - dead:
        for owner in dead:
            for vip in owners[owner]:
                if before(owners, vip, owners[survivor]) <= dead:
                    assert vip not in taken, f"{vip} is taken twice"
                    taken[vip] = survivor
    return taken


def spread(owners: Owners, dead: Set[int]) -> int:
    """Return the difference between the most and the least loaded survivor."""
    load = Counter(dict.fromkeys(set(range(len(owners))) - dead, 0))
    load.update(takers(owners, dead).values())
    return max(load.values()) - min(load.values())


@given(owners=pools)
def test_order_names_every_other_owner_once(owners: Owners) -> None:
    for home, vips in enumerate(owners):
        for vip in vips:
            assert sorted([home, *order(owners, vip)]) == list(range(len(owners)))


@given(drawn=deaths())
def test_every_orphan_has_exactly_one_taker(drawn: tuple[Owners, frozenset[int]]) -> None:
    owners, dead = drawn
    assert takers(owners, dead).keys() == {vip for owner in dead for vip in owners[owner]}


@given(drawn=deaths())
def test_survivors_ranks_are_one_two_three(drawn: tuple[Owners, frozenset[int]]) -> None:
    owners, dead = drawn
    alive = set(range(len(owners))) - dead
    for owner in dead:
        for vip in owners[owner]:
            ranks = [1 + len(before(owners, vip, owners[one]) & alive) for one in alive]
            assert sorted(ranks) == list(range(1, len(alive) + 1))


@given(drawn=deaths(), data=st.data())
def test_a_death_or_return_does_not_move_other_orphans(
    drawn: tuple[Owners, frozenset[int]], data: st.DataObject
) -> None:
    owners, dead = drawn
    back = data.draw(st.sampled_from(sorted(dead)))
    fewer, more = takers(owners, dead - {back}), takers(owners, dead)
    for vip, taker in more.items():
        if vip in fewer:
            assert taker == fewer[vip] or fewer[vip] == back


@given(owners=pools, data=st.data())
def test_a_node_with_several_owners_uses_its_first_position(owners: Owners, data: st.DataObject) -> None:
    home = data.draw(st.integers(0, len(owners) - 1))
    others = [owner for owner in range(len(owners)) if owner != home]
    own = data.draw(st.sets(st.sampled_from(others), min_size=1))
    vip = data.draw(st.sampled_from(owners[home]))
    better = before(owners, vip, [owned for owner in own for owned in owners[owner]])
    ranked = list(order(owners, vip))
    assert better == set(ranked[: len(better)])
    assert ranked[len(better)] in own


@given(owners=pools, data=st.data())
def test_all_owners_come_before_an_unregistered_node(owners: Owners, data: st.DataObject) -> None:
    vip = data.draw(st.sampled_from([vip for vips in owners for vip in vips]))
    asks = Preferences(owners, owners[-1])
    assert set(asks.candidates_before(vip, range(len(owners)), registered=False)) == set(order(owners, vip))


@given(owners=pools, data=st.data())
def test_only_the_given_candidates_are_returned(owners: Owners, data: st.DataObject) -> None:
    vip = data.draw(st.sampled_from([vip for vips in owners[1:] for vip in vips]))
    asked = data.draw(st.frozensets(st.integers(0, len(owners) - 1)))
    assert (
        set(Preferences(owners, owners[0]).candidates_before(vip, asked))
        == before(owners, vip, owners[0]) & asked
    )


def test_five_nodes_with_sixty_vips_share_evenly() -> None:
    owners = pool(60, 60, 60, 60, 60)
    assert [spread(owners, {dead}) for dead in range(5)] == [0] * 5
    assert max(spread(owners, set(pair)) for pair in combinations(range(5), 2)) <= 3


@pytest.mark.slow
@given(count=st.integers(2, 9), size=st.integers(1, 40))
def test_orphans_of_one_death_are_spread_evenly(count: int, size: int) -> None:
    owners = pool(*[size] * count)
    assert all(spread(owners, {dead}) <= 1 for dead in range(count))


def test_adjacent_deaths_go_to_different_survivors() -> None:
    for count in range(5, 20):
        owners = pool(*[1] * count)
        for first in range(count):
            dead = {first, (first + 1) % count}
            assert max(Counter(takers(owners, dead).values()).values()) == 1, (count, dead)


def test_unknown_vip_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"192\.0\.2\.1 is not in the pool"):
        list(order(pool(1, 1), "192.0.2.1"))


def test_alone_in_the_pool() -> None:
    assert list(order(pool(3), "10.0.0.1")) == []
