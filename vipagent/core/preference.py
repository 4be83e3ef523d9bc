"""Who announces an orphan: a fixed order of preference for each VIP (A2).

The pool is seen as a ring of *owners*: a seat is the VIPs of one owner. Each VIP has an order of preference
over all the other owners, a table that follows from the pool alone, so every node computes the same one and
nothing moves but the dead node's VIPs: whoever lives and comes first takes the orphan.

The table is designed, not hashed. The j-th VIP of a seat takes the j-th permutation of the factorial number
system, first choice varying fastest, so the orphans of one seat spread evenly over the others, those of a
second death evenly over what is left, and so on. The choices of one VIP jump around the ring by the golden
ratio, so that neighbours that die together (a rack) do not all fall upon the same survivor.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from math import gcd

GOLDEN = 0.6180339887498949


def order(owners: Sequence[Sequence[str]], vip: str) -> Iterator[int]:
    """Yield the owners that take `vip` when its owner is dead: most preferred first, the owner's left out.

    Args:
        owners: the pool by owner, the same and in the same order on every node.
        vip: one VIP of the pool.

    Raises:
        ValueError: the VIP is in no seat.
    """
    home = next((index for index, seat in enumerate(owners) if vip in seat), None)
    if home is None:
        raise ValueError(f"{vip} is not in the pool")
    for offset in _offsets(len(owners) - 1, owners[home].index(vip)):
        yield (home + offset) % len(owners)


class Preferences:
    """The orders of preference for a whole pool, as one node looks them up at every decision.

    The j-th VIPs of all owners follow one permutation, each from its own home, so one array of places serves
    them all. It is made when it is first asked for.

    Args:
        owners: the pool by owner.
        owned: the VIPs of the node that asks.
    """

    def __init__(self, owners: Sequence[Sequence[str]], owned: Iterable[str]) -> None:
        self._count = len(owners)
        self._at = {vip: (home, turn) for home, seat in enumerate(owners) for turn, vip in enumerate(seat)}
        self._own = tuple({self._at[vip][0] for vip in owned if vip in self._at})
        self._places: dict[int, Sequence[int]] = {}
        self._candidates: tuple[tuple[int, ...], bool] = ((), False)
        self._ranks: dict[str, int] = {}

    def before(self, vip: str, owners: Iterable[int], *, registered: bool = True) -> Iterator[int]:
        """Return those of `owners` that come before all of the node's own in the order for `vip`.

        Args:
            vip: one VIP of the pool.
            owners: the candidates; the home of `vip` is never returned.
            registered: whether the others know of the node; if not, all of them come before it.
        """
        home, turn = self._at[vip]
        count, places = self._count, self._places_of(turn)
        first = min((places[(seat - home) % count] for seat in self._own if registered), default=count)
        return (seat for seat in owners if places[(seat - home) % count] < first)

    def ranks(self, owners: tuple[int, ...], *, registered: bool) -> dict[str, int]:
        """Return the ranks worked out for these candidates, to be added to; others' are forgotten."""
        if (owners, registered) != self._candidates:
            self._candidates, self._ranks = (owners, registered), {}
        return self._ranks

    def _places_of(self, turn: int) -> Sequence[int]:
        """Return the place of each offset from home in the order; home itself comes after all."""
        if turn not in self._places:
            places = array("L", [self._count]) * self._count
            for place, offset in enumerate(_offsets(self._count - 1, turn)):
                places[offset] = place
            self._places[turn] = places
        return self._places[turn]


def _offsets(count: int, turn: int) -> Iterator[int]:
    """Yield the `turn`-th permutation of 1 ... `count`."""
    left = list(range(1, count + 1))
    for step in range(1, count + 1):
        turn, digit = divmod(turn, len(left))
        yield left.pop((digit + step) * _stride(len(left)) % len(left))


def _stride(count: int) -> int:
    """Return a step near the golden ratio of a ring that visits all of its places."""
    stride = max(1, round(count * GOLDEN))
    while gcd(stride, count) != 1:
        stride += 1
    return stride
