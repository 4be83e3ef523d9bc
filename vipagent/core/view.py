"""What a node knows of the service's members: an unknown set is not an empty one (Shape 6, L1, L3, L4)."""

from collections.abc import Collection, Iterable, Mapping

from vipagent.core.events import Member
from vipagent.core.moment import Moment
from vipagent.types import StoreState


class View:
    """The last snapshot of the members, how old each one is, and how far to trust it.

    Args:
        settle: seconds after a (re)connection within which those who were members before count as alive (L3).
    """

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self.store = StoreState.LOST
        self.known = False
        """Whether a snapshot was ever seen."""
        self.fresh = False
        """Whether the snapshot is this session's, not one from before a disconnection."""
        self.gone = False
        """Whether a session was lost, and nothing was read since (L1)."""
        self.members: Mapping[str, Member] = {}
        self._since: dict[str, float] = {}
        self._presumed: frozenset[str] | None = None
        """Who was there before the (re)connection; None: that is not known, so anybody may have been."""
        self._settled_at = 0.0

    def store_changed(self, state: StoreState, now: float) -> None:
        """Take the session's new state; whatever is not CONNECTED freezes the view."""
        self.store = state
        if self.known and state is StoreState.LOST:
            self.gone = True
        if state is not StoreState.CONNECTED and self.fresh:
            self.fresh = False
            if now >= self._settled_at:
                self._presumed = frozenset(self.members)
            elif self._presumed is not None:
                self._presumed |= self.members.keys()

    def seen(self, members: Mapping[str, Member], now: float) -> None:
        """Take a snapshot; one that arrives while the session is away says nothing about now."""
        if self.store is not StoreState.CONNECTED:
            return
        if not self.fresh:
            self.fresh = self.known = True
            self.gone = False
            self._settled_at = now + self.settle
        self.members = members
        self._since = {vip: self._since.get(vip, now) for vip in members}

    def expect(self, vips: Iterable[str], now: float) -> None:
        """Give the owners of these VIPs `settle` to come (back), as after a first connection."""
        if self.fresh and now >= self._settled_at:
            self._presumed = frozenset()
        if self._presumed is not None:
            self._presumed = self._presumed.union(vips)
        self._settled_at = now + self.settle

    def forget(self, vips: Collection[str]) -> None:
        """Take these VIPs' members for gone without waiting for the store to say so."""
        self.members = {vip: member for vip, member in self.members.items() if vip not in vips}
        self._since = {vip: since for vip, since in self._since.items() if vip not in vips}

    def presumes(self, vip: str, moment: Moment) -> bool:
        """Say whether the VIP's owner may be on its way back, so that its absence means nothing yet (L3)."""
        if self.fresh and moment.reached(self._settled_at):
            return False
        return self._presumed is None or vip in self._presumed

    def lives(self, vip: str) -> bool:
        """Say whether the VIP has a member in the last snapshot."""
        return vip in self.members

    def lived_for(self, vip: str, seconds: float, moment: Moment) -> bool:
        """Say whether the VIP's member is there, and has been seen for so long without a break."""
        return vip in self.members and moment.reached(self._since[vip] + seconds)
