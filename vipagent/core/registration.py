"""Decides when an owned VIP is registered in the store (G1, G2, G3, H4)."""

from collections import deque
from collections.abc import Iterator

from vipagent.core.actions import Preference
from vipagent.core.settings import FlapHold
from vipagent.core.state import Deadlines, ServiceState
from vipagent.types import Claim

OWNER = Preference(0)


class Registrations:
    """The registrations of this node for one service."""

    def __init__(self) -> None:
        self.requested: set[str] = set()
        self.accepted: set[str] = set()
        """VIPs whose announcement ExaBGP has accepted."""
        self.held: set[str] = set()
        """Requested VIPs that the store has confirmed as registered by this agent."""
        self._once_held: set[str] = set()
        """VIPs ever confirmed in this run: one held by the same node name later is a duplicate agent's."""
        self._losses: deque[float] = deque(maxlen=64)
        self._able_since: float | None = None

    def confirm(self, vip: str) -> None:
        """Record that the store holds the registration for this agent."""
        self.held.add(vip)
        self._once_held.add(vip)

    def desired(self, state: ServiceState, deadlines: Deadlines) -> set[str]:
        """Return the owned VIPs that should be registered."""
        return self._eligible(state, deadlines) | set(self._stale(state))

    def _eligible(self, state: ServiceState, deadlines: Deadlines) -> set[str]:
        """Return the VIPs announced as owner and accepted by ExaBGP, if this node is able to serve."""
        announced = {vip for vip in state.settings.owned if state.requested.get(vip) == OWNER}
        if not announced or not state.able:
            self._able_since = None
            return set()
        if self._able_since is None:
            self._able_since = deadlines.now
        if not self.requested and self._flaps(state.settings.flap_hold, self._able_since, deadlines):
            return set()
        return announced & self.accepted

    def _stale(self, state: ServiceState) -> Iterator[str]:
        """Yield the VIPs that an earlier run left registered and that this run does not announce.

        Registering them replaces the stale entry, so that it can be removed before the earlier run's session
        expires (G2, G3).
        """
        for vip in () if state.stopping else state.settings.owned:
            member = state.view.members.get(vip)
            if member is None or member.claim is not Claim.SAME_NODE or vip in self._once_held:
                continue
            if state.requested.get(vip, OWNER) is None and (state.view.fresh or vip in self.requested):
                yield vip

    def count_loss(self, now: float) -> None:
        """Count a loss of the registration; `flap_hold` delays the next one after several losses (H4)."""
        self._losses.append(now)

    def _flaps(self, hold: FlapHold, able_since: float, deadlines: Deadlines) -> bool:
        if not hold.seconds or deadlines.reached(able_since + hold.seconds):
            return False
        return sum(loss > able_since - hold.window for loss in self._losses) >= hold.count
