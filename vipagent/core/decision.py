"""Decides what a node does with each VIP of a service, and why (A1-A4, H1-H5, L1-L3)."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from vipagent.core.actions import Preference
from vipagent.core.settings import Owners, ServiceSettings, ip_version
from vipagent.core.state import Deadlines, ServiceState
from vipagent.types import CheckState, OnStoreLoss, Reason, Standby, Takeover


class Decision(NamedTuple):
    """Announce with a preference, withdraw, or keep the current route."""

    reason: Reason
    preference: Preference | None = None
    keep: bool = False
    """Keep what ExaBGP has now, from this run or an earlier one: it is too early to decide."""


_UNFIT = {CheckState.DOWN: Reason.CHECK_DOWN, CheckState.DISABLED: Reason.DISABLED}


class Candidates:
    """The owners that take over orphans before this node does, computed once per decision (A2).

    A node that has registered a VIP announces that IP version, so the others rely on it for the orphans of
    this version only: its neighbours may not have negotiated the other one, or its ExaBGP may refuse such
    routes (N10).

    Args:
        state: everything the decisions depend on.
        deadlines: of this decision.
    """

    def __init__(self, state: ServiceState, deadlines: Deadlines) -> None:
        self._settings = state.settings
        self._view = state.view
        self._deadlines = deadlines
        self._registered = state.registered_versions

    def before_us(self, vip: str) -> Iterator[str]:
        """Return the VIPs, alive or presumed alive, of the owners that come before this node for `vip`."""
        return (taker for owner in self._before_us(vip) for taker in self._of_version(vip)[owner])

    def rank(self, vip: str) -> int:
        """Return the rank of this node among those that take over `vip`."""
        ranks = self._ranks[ip_version(vip)]
        if vip not in ranks:
            ranks[vip] = 1 + sum(1 for _ in self._before_us(vip))
        return ranks[vip]

    def _before_us(self, vip: str) -> Iterator[int]:
        version = ip_version(vip)
        registered = version in self._registered
        return self._settings.preferences.candidates_before(
            vip, self._present[version], registered=registered
        )

    def _of_version(self, vip: str) -> Owners:
        return self._settings.owners_by_version[ip_version(vip)]

    @cached_property
    def _ranks(self) -> Mapping[int, dict[str, int]]:
        ranks, registered = self._settings.preferences.ranks, self._registered
        return {
            version: ranks(version, present, registered=version in registered)
            for version, present in self._present.items()
        }

    @cached_property
    def _present(self) -> Mapping[int, tuple[int, ...]]:
        view, deadlines = self._view, self._deadlines
        return {
            version: tuple(
                number
                for number, vips in enumerate(owners)
                if any(view.is_alive(vip) or view.is_presumed_alive(vip, deadlines) for vip in vips)
            )
            for version, owners in self._settings.owners_by_version.items()
        }


def decide(state: ServiceState, deadlines: Deadlines) -> dict[str, Decision]:
    """Return the decision for every VIP of the service."""
    reason = _withdraw_reason(state)
    if reason is not None:
        return dict.fromkeys(state.settings.pool, Decision(reason))
    decide_one = _decision_function(state, deadlines)
    return {
        vip: Decision(Reason.NO_ADDRESS) if vip in state.missing_addresses else decide_one(vip)
        for vip in state.settings.pool
    }


def _decision_function(state: ServiceState, deadlines: Deadlines) -> Callable[[str], Decision]:
    """Evaluate the conditions that apply to all VIPs once; return the function that decides for one VIP."""
    if state.leaving:
        return lambda vip: _leaving(state, vip)
    if _is_starting(state, deadlines):
        return lambda _vip: Decision(Reason.STARTING, keep=True)
    if state.maintenance is not None and state.maintenance.node:
        return lambda vip: _in_maintenance(state, vip, deadlines)
    owned, no_takeover = state.settings.owned_set, _no_takeover_reason(state)
    if no_takeover is not None:
        return lambda vip: _own(state, vip) if vip in owned else Decision(no_takeover)
    candidates = Candidates(state, deadlines)
    return lambda vip: _own(state, vip) if vip in owned else _others(state, vip, deadlines, candidates)


def lowest_rank(settings: ServiceSettings) -> int:
    """Return the rank of a draining node, which is the highest number a rank can have (H2)."""
    return len(settings.owners) if settings.takeover is Takeover.RANKED else 2


def _withdraw_reason(state: ServiceState) -> Reason | None:
    """Return why this node must not announce any VIP; None if it may."""
    if state.stopping:
        return Reason.STOPPING
    if state.maintenance is not None and state.maintenance.service:
        return Reason.MAINTENANCE_SERVICE
    if state.health.state in _UNFIT:
        return _UNFIT[state.health.state]
    if state.view.session_lost and state.settings.on_store_loss is OnStoreLoss.WITHDRAW:
        return Reason.STORE_LOST
    return None


def _is_starting(state: ServiceState, deadlines: Deadlines) -> bool:
    """Return whether the check or the store has not reported a state yet (H4, H5, L2)."""
    if state.health.state is CheckState.STARTING:
        return True
    unread = state.maintenance is None or not state.view.known
    return unread and not deadlines.reached(state.started + state.settings.start_grace)


def _no_takeover_reason(state: ServiceState) -> Reason | None:
    """Return why the VIPs of other nodes cannot be taken over now; None if they can."""
    if not state.view.known:
        return Reason.STORE_UNKNOWN
    if state.view.session_lost and state.settings.on_store_loss is OnStoreLoss.OWN:
        return Reason.STORE_LOST
    return None


def _leaving(state: ServiceState, vip: str) -> Decision:
    """Announce current routes at the lowest rank, so that the routes of other nodes are preferred (E3)."""
    if vip not in state.requested:
        return Decision(Reason.STARTING, keep=True)
    if state.requested[vip] is None:
        return Decision(Reason.STOPPING)
    return Decision(Reason.STOPPING, Preference(lowest_rank(state.settings), draining=True))


def _in_maintenance(state: ServiceState, vip: str, deadlines: Deadlines) -> Decision:
    if state.requested.get(vip) is None or deadlines.reached(state.drain_until):
        return Decision(Reason.MAINTENANCE_NODE)
    return Decision(Reason.DRAINING, Preference(lowest_rank(state.settings), draining=True))


def _own(state: ServiceState, vip: str) -> Decision:
    if state.conflicts(vip):
        return Decision(Reason.CONFLICT)
    if state.held_until is not None:
        return Decision(Reason.FLAP_HOLD, Preference(lowest_rank(state.settings), draining=True))
    return Decision(Reason.OWNER, Preference(0))


def _others(state: ServiceState, vip: str, deadlines: Deadlines, candidates: Candidates) -> Decision:
    settings, view = state.settings, state.view
    alive = view.is_alive(vip)
    if alive and settings.standby is Standby.COLD:
        return _hand_back(state, vip, deadlines)
    if not alive and view.is_presumed_alive(vip, deadlines):
        return Decision(Reason.SETTLING, keep=True)
    rank = _TAKEOVER_RANKS[settings.takeover](state, vip, deadlines, candidates)
    if rank is None:
        return Decision(Reason.STANDBY)
    return Decision(Reason.HOT_STANDBY if alive else Reason.TAKEOVER, Preference(rank))


def _hand_back(state: ServiceState, vip: str, deadlines: Deadlines) -> Decision:
    """Keep announcing until the owner has been registered for `release_delay` (H1)."""
    requested = state.requested.get(vip)
    withdrawn = vip in state.requested and requested is None
    release_delay = state.settings.release_delay
    if withdrawn or (state.view.fresh and state.view.alive_for(vip, release_delay, deadlines)):
        return Decision(Reason.STANDBY)
    return Decision(Reason.RELEASING, requested, keep=requested is None)


def _rank_of_all(_state: ServiceState, _vip: str, _deadlines: Deadlines, _candidates: Candidates) -> int:
    return 1


def _rank_in_order(_state: ServiceState, vip: str, _deadlines: Deadlines, candidates: Candidates) -> int:
    return candidates.rank(vip)


def _rank_of_one(state: ServiceState, vip: str, deadlines: Deadlines, candidates: Candidates) -> int | None:
    """Take the orphan unless a better candidate does; then keep it until that candidate has announced it.

    A candidate that has just registered waits for `settle` first (L3) and takes nothing over until then.
    """
    settings, view = state.settings, state.view
    better = candidates.before_us(vip)
    if state.requested.get(vip) is None:
        others = any(
            view.is_presumed_alive(taker, deadlines) or view.alive_for(taker, settings.settle, deadlines)
            for taker in better
        )
    else:
        delay = settings.settle + settings.release_delay
        others = view.fresh and any(view.alive_for(taker, delay, deadlines) for taker in better)
    return None if others else 1


_TAKEOVER_RANKS = {
    Takeover.ALL: _rank_of_all,
    Takeover.RANKED: _rank_in_order,
    Takeover.ONE: _rank_of_one,
}
