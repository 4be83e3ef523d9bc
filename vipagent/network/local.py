"""VIPs that are an address of no interface of this node, sans-I/O.

All VIPs are checked from time to time, in batches, of which the caller does one per turn of its loop. A VIP
whose address was added or removed is checked at once.
"""

from collections import deque
from collections.abc import Set

from vipagent.network.netlink import AddressChanged

FULL_CHECK_INTERVAL = 10.0
"""Minimum interval in seconds of the periodic check of all VIPs."""
SECONDS_PER_VIP = 0.012
"""Interval of the periodic check per VIP, in seconds: the cost per minute does not depend on their number."""
REQUESTED_CHECK_SECONDS_PER_VIP = SECONDS_PER_VIP / 100
"""Minimum interval of full checks that address changes cause, per VIP."""


class LocalVips:
    """Which VIPs are local, and which must be checked next."""

    def __init__(self) -> None:
        self._vips: Set[str] = frozenset()
        self._prefixes: dict[str, list[str]] = {}
        """VIPs that are prefixes, by first address."""
        self._not_local: set[str] = set()
        self._pending: deque[str] = deque()
        """VIPs to check."""
        self._reported: frozenset[str] | None = None
        self._checked_all_at = 0.0
        """When the last check of all VIPs has started."""
        self._check_all_at: float | None = None
        """When to start the next one; None before the first one."""

    def replace(self, vips: Set[str], now: float) -> None:
        """Replace the VIPs, and check them all."""
        self._vips = vips
        self._prefixes = {}
        for vip in vips:
            if "/" in vip:
                self._prefixes.setdefault(address_of(vip), []).append(vip)
        self._not_local &= vips
        self.check_all(now)

    def check_all(self, now: float) -> None:
        """Check all VIPs."""
        self._pending = deque(self._vips)
        self._checked_all_at = now
        self._check_all_at = now + max(FULL_CHECK_INTERVAL, len(self._vips) * SECONDS_PER_VIP)

    def address_changed(self, change: AddressChanged, *, on_loopback: bool) -> None:
        """Check the VIPs that a change affects: on the loopback interface, whole prefixes are local."""
        if change.address in self._vips:
            self._pending.append(change.address)
        self._pending.extend(self._prefixes.get(change.address, ()))
        if change.is_network and on_loopback and self._check_all_at is not None:
            soon = self._checked_all_at + len(self._vips) * REQUESTED_CHECK_SECONDS_PER_VIP
            self._check_all_at = min(self._check_all_at, soon)

    def next_batch(self, size: int, now: float) -> list[str]:
        """Return the next VIPs to check; empty if there is nothing to do for now."""
        if not self._pending and self._check_all_at is not None and now >= self._check_all_at:
            self.check_all(now)
        batch = dict[str, None]()
        while self._pending and len(batch) < size:
            batch[self._pending.popleft()] = None
        return list(batch)

    def checked(self, vip: str, *, local: bool) -> None:
        """Record the result of a check."""
        if local:
            self._not_local.discard(vip)
        elif vip in self._vips:
            self._not_local.add(vip)

    def delay(self, now: float) -> float:
        """Return the time in seconds until `next_batch` should be called again."""
        if self._pending or self._check_all_at is None:
            return 0 if self._pending else FULL_CHECK_INTERVAL
        return max(0.0, self._check_all_at - now)

    def change(self) -> frozenset[str] | None:
        """Return the VIPs that are not local if all checks are done, and the set is new or has changed."""
        if self._pending or self._check_all_at is None:
            return None
        before, self._reported = self._reported, frozenset(self._not_local)
        return None if self._reported == before else self._reported


def address_of(vip: str) -> str:
    """Return the first address of a VIP."""
    return vip.partition("/")[0]
