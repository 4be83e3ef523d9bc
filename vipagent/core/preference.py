"""Who announces an orphan: a fixed order of preference for each VIP (A2).

The pool is seen as a ring of *seats*: a seat is the VIPs of one owner. Each VIP has an order of preference
over all the other seats, a table that follows from the pool alone, so every node computes the same one and
nothing moves but the dead node's VIPs: whoever lives and comes first takes the orphan.

The table is designed, not hashed. The j-th VIP of a seat takes the j-th permutation of the factorial number
system, first choice varying fastest, so the orphans of one seat spread evenly over the others, those of a
second death evenly over what is left, and so on. The choices of one VIP jump around the ring by the golden
ratio, so that neighbours that die together (a rack) do not all fall upon the same survivor.
"""

from collections.abc import Iterator, Sequence
from math import gcd

GOLDEN = 0.6180339887498949


def order(seats: Sequence[Sequence[str]], vip: str) -> Iterator[int]:
    """Yield the seats that take `vip` when its owner is dead: most preferred first, the owner's left out.

    Args:
        seats: the pool by owner, the same and in the same order on every node.
        vip: one VIP of the pool.

    Raises:
        ValueError: the VIP is in no seat.
    """
    home = next((index for index, seat in enumerate(seats) if vip in seat), None)
    if home is None:
        raise ValueError(f"{vip} is not in the pool")
    for offset in _offsets(len(seats) - 1, seats[home].index(vip)):
        yield (home + offset) % len(seats)


def preceding(seats: Sequence[Sequence[str]], vip: str, node: Sequence[str]) -> tuple[int, ...]:
    """Return the seats that come before all of a node's own in the order of preference for `vip`.

    Args:
        seats: the pool by owner.
        vip: one VIP of the pool, not one of the node's.
        node: the VIPs that the node owns.
    """
    own = {index for index, seat in enumerate(seats) if any(vip in node for vip in seat)}
    before: list[int] = []
    for seat in order(seats, vip):
        if seat in own:
            break
        before.append(seat)
    return tuple(before)


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
