"""Order of preference in which nodes take over each VIP (A2).

The owners of the pool form a ring. Each VIP has an order of preference over all other owners, computed from
the pool alone, so that every node computes the same order: the first owner in the order that is alive takes
over the orphan, and only the VIPs of a dead node move.

The orders are constructed, not hashed. The j-th VIP of an owner uses the j-th permutation of the factorial
number system, with the first choice varying fastest. Therefore the orphans of one owner are spread evenly
over the others, those of a second death evenly over the remaining ones, and so on. Successive choices of one
VIP are spaced around the ring by the golden ratio, so that the VIPs of adjacent nodes that fail together (a
rack) go to different survivors.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from math import gcd

GOLDEN_RATIO = 0.6180339887498949


def order(owners: Sequence[Sequence[str]], vip: str) -> Iterator[int]:
    """Yield the indices of the owners that take over `vip`, most preferred first, without its own owner.

    Args:
        owners: the VIPs of each owner, the same and in the same order on every node.
        vip: a VIP of the pool.

    Raises:
        ValueError: the VIP is not in the pool.
    """
    home = next((index for index, vips in enumerate(owners) if vip in vips), None)
    if home is None:
        raise ValueError(f"{vip} is not in the pool")
    for offset in _offsets(len(owners) - 1, owners[home].index(vip)):
        yield (home + offset) % len(owners)


class Preferences:
    """The orders of preference of a whole pool, from the point of view of one node.

    The j-th VIPs of all owners use the same permutation, relative to their owner, so they share one array of
    positions, computed on first use.

    Args:
        owners: the VIPs of each owner.
        owned: the VIPs of this node.
    """

    def __init__(self, owners: Sequence[Sequence[str]], owned: Iterable[str]) -> None:
        self._count = len(owners)
        self._index = {vip: (home, turn) for home, vips in enumerate(owners) for turn, vip in enumerate(vips)}
        self._own = tuple({self._index[vip][0] for vip in owned if vip in self._index})
        self._positions: dict[int, Sequence[int]] = {}
        self._ranks: dict[int, tuple[tuple[tuple[int, ...], bool], dict[str, int]]] = {}
        """The candidates and the ranks, by IP version."""

    def candidates_before(self, vip: str, owners: Iterable[int], *, registered: bool = True) -> Iterator[int]:
        """Return those of `owners` that come before this node in the order for `vip`.

        Args:
            vip: a VIP of the pool.
            owners: the candidates; the owner of `vip` is never returned.
            registered: whether the other nodes see this node; if not, all of them come before it.
        """
        home, turn = self._index[vip]
        count, positions = self._count, self._positions_of(turn)
        first = min((positions[(owner - home) % count] for owner in self._own if registered), default=count)
        return (owner for owner in owners if positions[(owner - home) % count] < first)

    def ranks(self, version: int, owners: tuple[int, ...], *, registered: bool) -> dict[str, int]:
        """Return the cache of ranks for these candidates; a change of candidates clears it.

        Args:
            version: the IP version of the VIPs.
            owners: the candidates.
            registered: whether the other nodes see this node.
        """
        candidates = owners, registered
        cached = self._ranks.get(version)
        if cached is None or cached[0] != candidates:
            cached = self._ranks[version] = candidates, {}
        return cached[1]

    def _positions_of(self, turn: int) -> Sequence[int]:
        """Return the position of each offset from the owner in the order; the owner itself comes last."""
        if turn not in self._positions:
            positions = array("L", [self._count]) * self._count
            for position, offset in enumerate(_offsets(self._count - 1, turn)):
                positions[offset] = position
            self._positions[turn] = positions
        return self._positions[turn]


def _offsets(count: int, turn: int) -> Iterator[int]:
    """Yield permutation number `turn` of 1 ... `count`."""
    left = list(range(1, count + 1))
    for step in range(1, count + 1):
        turn, digit = divmod(turn, len(left))
        yield left.pop((digit + step) * _stride(len(left)) % len(left))


def _stride(count: int) -> int:
    """Return a step near the golden ratio of `count` that visits every position of a ring."""
    stride = max(1, round(count * GOLDEN_RATIO))
    while gcd(stride, count) != 1:
        stride += 1
    return stride
