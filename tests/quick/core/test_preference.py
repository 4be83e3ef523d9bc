from collections import Counter
from collections.abc import Sequence, Set
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.core.preference import Preferences, order

Seats = list[list[str]]


def pool(*sizes: int) -> Seats:
    """Return seats of so many VIPs each."""
    return [[f"10.{seat}.0.{number}" for number in range(size)] for seat, size in enumerate(sizes)]


pools = st.lists(st.integers(1, 9), min_size=2, max_size=9).map(lambda sizes: pool(*sizes))


@st.composite
def deaths(draw: st.DrawFn) -> tuple[Seats, frozenset[int]]:
    """Draw a pool and a set of dead seats: one at least, but not all."""
    seats = draw(pools)
    dead = draw(st.frozensets(st.integers(0, len(seats) - 1), min_size=1, max_size=len(seats) - 1))
    return seats, dead


def before(seats: Seats, vip: str, node: Sequence[str]) -> set[int]:
    """Return the seats that take `vip` before a node does that owns these VIPs."""
    return set(Preferences(seats, node).before(vip, range(len(seats))))


def takers(seats: Seats, dead: Set[int]) -> dict[str, int]:
    """Return who takes each orphan, as each of the other nodes works it out for itself."""
    taken: dict[str, int] = {}
    for survivor in set(range(len(seats))) - dead:
        for seat in dead:
            for vip in seats[seat]:
                if before(seats, vip, seats[survivor]) <= dead:
                    assert vip not in taken, f"{vip} is taken twice"
                    taken[vip] = survivor
    return taken


def spread(seats: Seats, dead: Set[int]) -> int:
    """Return the difference between the most and the least that a survivor must take."""
    load = Counter(dict.fromkeys(set(range(len(seats))) - dead, 0))
    load.update(takers(seats, dead).values())
    return max(load.values()) - min(load.values())


@given(seats=pools)
def test_order_names_every_other_seat_once(seats: Seats) -> None:
    for home, seat in enumerate(seats):
        for vip in seat:
            assert sorted([home, *order(seats, vip)]) == list(range(len(seats)))


@given(drawn=deaths())
def test_every_orphan_has_exactly_one_taker(drawn: tuple[Seats, frozenset[int]]) -> None:
    seats, dead = drawn
    assert takers(seats, dead).keys() == {vip for seat in dead for vip in seats[seat]}


@given(drawn=deaths())
def test_other_nodes_ranks_are_one_two_three(drawn: tuple[Seats, frozenset[int]]) -> None:
    seats, dead = drawn
    alive = set(range(len(seats))) - dead
    for seat in dead:
        for vip in seats[seat]:
            ranks = [1 + len(before(seats, vip, seats[one]) & alive) for one in alive]
            assert sorted(ranks) == list(range(1, len(alive) + 1))


@given(drawn=deaths(), data=st.data())
def test_a_death_or_a_return_moves_nobody_elses_orphans(
    drawn: tuple[Seats, frozenset[int]], data: st.DataObject
) -> None:
    seats, dead = drawn
    back = data.draw(st.sampled_from(sorted(dead)))
    fewer, more = takers(seats, dead - {back}), takers(seats, dead)
    for vip, taker in more.items():
        if vip in fewer:
            assert taker == fewer[vip] or fewer[vip] == back


@given(seats=pools, data=st.data())
def test_a_node_with_several_seats_comes_where_its_first_does(seats: Seats, data: st.DataObject) -> None:
    home = data.draw(st.integers(0, len(seats) - 1))
    others = [seat for seat in range(len(seats)) if seat != home]
    own = data.draw(st.sets(st.sampled_from(others), min_size=1))
    vip = data.draw(st.sampled_from(seats[home]))
    better = before(seats, vip, [owned for seat in own for owned in seats[seat]])
    ranked = list(order(seats, vip))
    assert better == set(ranked[: len(better)])
    assert ranked[len(better)] in own


@given(seats=pools, data=st.data())
def test_everybody_comes_before_a_node_that_is_not_registered(seats: Seats, data: st.DataObject) -> None:
    vip = data.draw(st.sampled_from([vip for seat in seats for vip in seat]))
    asks = Preferences(seats, seats[-1])
    assert set(asks.before(vip, range(len(seats)), registered=False)) == set(order(seats, vip))


@given(seats=pools, data=st.data())
def test_only_the_seats_that_are_asked_about_come_back(seats: Seats, data: st.DataObject) -> None:
    vip = data.draw(st.sampled_from([vip for seat in seats[1:] for vip in seat]))
    asked = data.draw(st.frozensets(st.integers(0, len(seats) - 1)))
    assert set(Preferences(seats, seats[0]).before(vip, asked)) == before(seats, vip, seats[0]) & asked


def test_five_nodes_of_sixty_share_evenly() -> None:
    seats = pool(60, 60, 60, 60, 60)
    assert [spread(seats, {dead}) for dead in range(5)] == [0] * 5
    assert max(spread(seats, set(pair)) for pair in combinations(range(5), 2)) <= 3


@pytest.mark.slow
@given(count=st.integers(2, 9), size=st.integers(1, 40))
def test_orphans_of_one_death_are_shared_as_evenly_as_can_be(count: int, size: int) -> None:
    seats = pool(*[size] * count)
    assert all(spread(seats, {dead}) <= 1 for dead in range(count))


def test_neighbours_that_die_together_do_not_fall_upon_one_survivor() -> None:
    for count in range(5, 20):
        seats = pool(*[1] * count)
        for first in range(count):
            dead = {first, (first + 1) % count}
            assert max(Counter(takers(seats, dead).values()).values()) == 1, (count, dead)


def test_unknown_vip_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"192\.0\.2\.1 is not in the pool"):
        list(order(pool(1, 1), "192.0.2.1"))


def test_alone_in_the_pool() -> None:
    assert list(order(pool(3), "10.0.0.1")) == []
