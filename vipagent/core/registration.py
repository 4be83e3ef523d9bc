"""When an owned VIP is registered in the store (G1, G2, G3, H4)."""

from collections import deque
from collections.abc import Iterator

from vipagent.core.actions import Preference
from vipagent.core.moment import Moment
from vipagent.core.settings import FlapHold
from vipagent.core.verdict import Facts
from vipagent.types import Claim

OWNER = Preference(0)


class Registrations:
    """The registrations that this node wishes to have."""

    def __init__(self) -> None:
        self.wished: set[str] = set()
        self.accepted: set[str] = set()
        """The VIPs whose announcement ExaBGP has accepted."""
        self.held: set[str] = set()
        """The wished ones that the store was seen to hold for us."""
        self._once_held: set[str] = set()
        """Those that it ever held for this run: a namesake's registration is a twin's from then on."""
        self._losses: deque[float] = deque(maxlen=64)
        self._able_since: float | None = None

    def seen(self, vip: str) -> None:
        """Note that the store holds it for us."""
        self.held.add(vip)
        self._once_held.add(vip)

    def wanted(self, facts: Facts, moment: Moment) -> set[str]:
        """Return the owned VIPs to be registered."""
        return self._to_be_counted_on(facts, moment) | set(self._leftovers(facts))

    def _to_be_counted_on(self, facts: Facts, moment: Moment) -> set[str]:
        """Return those that are announced as their owner's, accepted, and worth to be counted on."""
        announced = {vip for vip in facts.settings.owned if facts.told.get(vip) == OWNER}
        if not announced or not facts.able:
            self._able_since = None
            return set()
        if self._able_since is None:
            self._able_since = moment.now
        if not self.wished and self._flaps(facts.settings.flap_hold, self._able_since, moment):
            return set()
        return announced & self.accepted

    def _leftovers(self, facts: Facts) -> Iterator[str]:
        """Yield those that an earlier run left registered, and that we do not announce.

        Made our own, such a registration goes at once, not with the session of that run (G2, G3).
        """
        for vip in () if facts.stopping else facts.settings.owned:
            member = facts.view.members.get(vip)
            if member is None or member.claim is not Claim.SAME_NODE or vip in self._once_held:
                continue
            if facts.told.get(vip, OWNER) is None and (facts.view.fresh or vip in self.wished):
                yield vip

    def lost(self, now: float) -> None:
        """Note that the owner goes: too often within a while, and it has to stay up for longer (H4)."""
        self._losses.append(now)

    def _flaps(self, hold: FlapHold, able_since: float, moment: Moment) -> bool:
        if not hold.seconds or moment.reached(able_since + hold.seconds):
            return False
        return sum(loss > able_since - hold.window for loss in self._losses) >= hold.count
