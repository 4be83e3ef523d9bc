"""Forecast of which node serves which VIP when nodes of a pool die (A2)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import pairwise

from vipagent.core.preference import order
from vipagent.types import Takeover

Owners = tuple[tuple[str, ...], ...]
ALL_SURVIVORS = -1
"""Server of every orphan with the policy `all`."""
RANKS_SHOWN = 3
"""Number of takers listed for each orphan with the policy `ranked`."""


@dataclass(frozen=True, slots=True)
class Round:
    """Effect of one round of deaths or returns."""

    what: str
    dead: int
    orphans: int
    moved: int
    """VIPs whose server is different from before the round."""
    needless: int
    """Moved orphans whose previous server is still alive and whose new server was alive before."""
    least: int
    """VIPs served by the least loaded survivor."""
    most: int
    takers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Takers of each orphan, by rank; empty for the policy `all`."""

    @property
    def spread(self) -> int:
        """Difference between the most and the least loaded survivor, in VIPs."""
        return self.most - self.least


def pool(nodes: int, vips: int) -> Owners:
    """Return a pool with this number of VIPs, distributed evenly over the nodes."""
    names = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(1, vips + 1)]
    bounds = [vips * node // nodes for node in range(nodes + 1)]
    return tuple(tuple(names[low:high]) for low, high in pairwise(bounds))


class Forecast:
    """One pool under one takeover policy.

    Args:
        owners: the VIPs of each owner.
        takeover: the policy.
    """

    def __init__(self, owners: Owners, takeover: Takeover) -> None:
        self._owners = owners
        self._takeover = takeover
        self._orders: dict[str, tuple[list[int], Iterator[int]]] = {}
        self._dead: frozenset[int] = frozenset()
        self._servers: dict[str, int] = {}
        """Server of each orphan."""

    def step(self, what: str, dead: Set[int]) -> Round:
        """Replace the set of dead nodes and return what changes."""
        before, before_dead = self._servers, self._dead
        self._dead = frozenset(dead)
        now = self._servers = {
            vip: self._server(vip) for owner in sorted(dead) for vip in self._owners[owner]
        }
        moved = [vip for vip in before.keys() | now.keys() if before.get(vip) != now.get(vip)]
        still_orphans = [vip for vip in moved if vip in before and vip in now]
        needless = [vip for vip in still_orphans if before[vip] not in dead and now[vip] not in before_dead]
        load = self._load()
        return Round(
            what=what,
            dead=len(dead),
            orphans=len(now),
            moved=len(moved),
            needless=len(needless),
            least=min(load),
            most=max(load),
            takers={vip: self._taker_names(vip) for vip in now},
        )

    def _server(self, vip: str) -> int:
        return ALL_SURVIVORS if self._takeover is Takeover.ALL else next(self._takers(vip))

    def _takers(self, vip: str) -> Iterator[int]:
        """Yield the survivors that take over an orphan, most preferred first; cache the computed order."""
        cached, remaining = self._orders.setdefault(vip, ([], order(self._owners, vip)))
        for owner in cached:
            if owner not in self._dead:
                yield owner
        for owner in remaining:
            cached.append(owner)
            if owner not in self._dead:
                yield owner

    def _load(self) -> list[int]:
        """Return the number of VIPs served by each survivor."""
        taken = Counter(self._servers.values())
        shared = len(self._servers) if self._takeover is Takeover.ALL else 0
        return [
            len(vips) + (shared or taken[owner])
            for owner, vips in enumerate(self._owners)
            if owner not in self._dead
        ]

    def _taker_names(self, vip: str) -> tuple[str, ...]:
        shown = {Takeover.ALL: 0, Takeover.ONE: 1, Takeover.RANKED: RANKS_SHOWN}[self._takeover]
        return tuple(f"node{owner + 1}" for _, owner in zip(range(shown), self._takers(vip), strict=False))
