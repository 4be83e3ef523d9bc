"""Decides when an owned VIP is registered in the store (G1, G2, G3)."""

from collections.abc import Iterator

from vipagent.core.actions import Preference
from vipagent.core.state import ServiceState
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
        """VIPs ever confirmed in this run: an earlier run that registers one later is alive."""

    def confirm(self, vip: str) -> None:
        """Record that the store holds the registration for this agent."""
        self.held.add(vip)
        self._once_held.add(vip)

    def desired(self, state: ServiceState) -> set[str]:
        """Return the owned VIPs that should be registered."""
        return self._eligible(state) | set(self._stale(state))

    def _eligible(self, state: ServiceState) -> set[str]:
        """Return the VIPs announced as owner and accepted by ExaBGP, if this node is able to serve."""
        if not state.able:
            return set()
        announced = {vip for vip in state.settings.owned if state.requested.get(vip) == OWNER}
        return (announced & self.accepted) - state.without_family

    def _stale(self, state: ServiceState) -> Iterator[str]:
        """Yield the VIPs that an earlier run left registered and that this node does not announce.

        Registering them replaces the stale entry, so that it can be removed before the earlier run's session
        expires (G2, G3). A run that is not known as an earlier one may be a duplicate agent that serves, and
        so may one that registers again: an agent that was started twice with the same file.
        """
        for vip in () if state.stopping else state.settings.owned:
            member = state.view.members.get(vip)
            if member is None or member.claim is not Claim.EARLIER_RUN or vip in self._once_held:
                continue
            if vip in state.requested:
                unserved = state.requested[vip] is None
            else:  # undecided: the earlier run's route stays, if there is one
                unserved = state.table is not None and vip not in state.table
            if unserved and (state.view.fresh or vip in self.requested):
                yield vip
