"""Who would serve what if nodes died: the order of preference (A2) at work on a whole pool."""

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import pairwise

from vipagent.core.preference import order
from vipagent.types import Takeover

Seats = tuple[tuple[str, ...], ...]
EVERYBODY = -1
"""Who serves an orphan with `all`."""
RANKS_SHOWN = 3
"""Ranks of takers that are named; there are as many as there are survivors."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of deaths, or of returns, does."""

    what: str
    dead: int
    orphans: int
    moved: int
    """VIPs that another node serves than before the round."""
    needless: int
    """Those of them that stay orphans, and go from one node to another though both lived before and after."""
    least: int
    """VIPs that the least loaded survivor serves."""
    most: int
    takers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By orphan: who takes it, by rank; empty: every survivor."""

    @property
    def spread(self) -> int:
        """The difference between the survivors' numbers of VIPs."""
        return self.most - self.least


def pool(nodes: int, vips: int) -> Seats:
    """Return so many VIPs, shared out to so many nodes as evenly as can be."""
    names = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(1, vips + 1)]
    bounds = [vips * node // nodes for node in range(nodes + 1)]
    return tuple(tuple(names[low:high]) for low, high in pairwise(bounds))


class Forecast:
    """One pool under one policy.

    Args:
        seats: the pool, by node.
        takeover: the policy.
    """

    def __init__(self, seats: Seats, takeover: Takeover) -> None:
        self._seats = seats
        self._takeover = takeover
        self._orders: dict[str, tuple[list[int], Iterator[int]]] = {}
        self._dead: frozenset[int] = frozenset()
        self._servers: dict[str, int] = {}
        """Who serves each orphan."""

    def go_on(self, what: str, dead: Set[int]) -> Round:
        """Let these nodes be dead, and no other; tell what that does."""
        before, were = self._servers, self._dead
        self._dead = frozenset(dead)
        now = self._servers = {vip: self._server(vip) for seat in sorted(dead) for vip in self._seats[seat]}
        moved = [vip for vip in before.keys() | now.keys() if before.get(vip) != now.get(vip)]
        stayed_orphans = [vip for vip in moved if vip in before and vip in now]
        needless = [vip for vip in stayed_orphans if before[vip] not in dead and now[vip] not in were]
        load = self._load()
        return Round(
            what=what,
            dead=len(dead),
            orphans=len(now),
            moved=len(moved),
            needless=len(needless),
            least=min(load),
            most=max(load),
            takers={vip: self._named(vip) for vip in now},
        )

    def _server(self, vip: str) -> int:
        return EVERYBODY if self._takeover is Takeover.ALL else next(self._takers(vip))

    def _takers(self, vip: str) -> Iterator[int]:
        """Yield the survivors that take an orphan, most preferred first; what was worked out is kept."""
        known, more = self._orders.setdefault(vip, ([], order(self._seats, vip)))
        for seat in known:
            if seat not in self._dead:
                yield seat
        for seat in more:
            known.append(seat)
            if seat not in self._dead:
                yield seat

    def _load(self) -> list[int]:
        """Return how many VIPs each survivor serves."""
        taken = Counter(self._servers.values())
        everybody = len(self._servers) if self._takeover is Takeover.ALL else 0
        return [
            len(vips) + (everybody or taken[seat])
            for seat, vips in enumerate(self._seats)
            if seat not in self._dead
        ]

    def _named(self, vip: str) -> tuple[str, ...]:
        shown = {Takeover.ALL: 0, Takeover.ONE: 1, Takeover.RANKED: RANKS_SHOWN}[self._takeover]
        return tuple(f"node{seat + 1}" for _, seat in zip(range(shown), self._takers(vip), strict=False))
