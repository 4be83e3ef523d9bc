"""When an owned VIP is registered in the store (G1, G2, H4)."""

from collections import deque

from vipagent.core.actions import Preference
from vipagent.core.moment import Moment
from vipagent.core.settings import FlapHold
from vipagent.core.verdict import Facts

OWNER = Preference(0)


class Registrations:
    """The registrations that this node wishes to have."""

    def __init__(self) -> None:
        self.wished: set[str] = set()
        self.accepted: set[str] = set()
        """The VIPs whose announcement ExaBGP has accepted."""
        self.held: set[str] = set()
        """The wished ones that the store was seen to hold for us."""
        self._losses: deque[float] = deque(maxlen=64)
        self._able_since: float | None = None

    def wanted(self, facts: Facts, moment: Moment) -> set[str]:
        """Return the owned VIPs that are announced as their owner's, accepted, and worth to be counted on."""
        announced = {vip for vip in facts.settings.owned if facts.told.get(vip) == OWNER}
        if not announced or not facts.serving:
            self._able_since = None
            return set()
        if self._able_since is None:
            self._able_since = moment.now
        if not self.wished and self._flaps(facts.settings.flap_hold, self._able_since, moment):
            return set()
        return announced & self.accepted

    def lost(self, now: float) -> None:
        """Note that the owner goes: too often within a while, and it has to stay up for longer (H4)."""
        self._losses.append(now)

    def _flaps(self, hold: FlapHold, able_since: float, moment: Moment) -> bool:
        if not hold.seconds or moment.reached(able_since + hold.seconds):
            return False
        return sum(loss > able_since - hold.window for loss in self._losses) >= hold.count
