"""What a node should do with one VIP, and why: a function of the facts (A1-A4, H1-H5, L1-L3)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from vipagent.core.actions import Preference
from vipagent.core.events import MaintenanceSeen
from vipagent.core.health import Health
from vipagent.core.moment import Moment
from vipagent.core.settings import ServiceSettings
from vipagent.core.view import View
from vipagent.types import CheckState, Claim, OnStoreLoss, Reason, Standby, Takeover


class Verdict(NamedTuple):
    """Announce with a preference, withdraw, or leave things as they are."""

    reason: Reason
    preference: Preference | None = None
    leave: bool = False
    """Too early to say: whatever ExaBGP holds now, from this run or an earlier one, stays."""


_UNFIT = {CheckState.DOWN: Reason.CHECK_DOWN, CheckState.DISABLED: Reason.DISABLED}


@dataclass
class Facts:
    """All that a node knows about one service and itself."""

    settings: ServiceSettings
    started: float
    health: Health
    view: View
    maintenance: MaintenanceSeen | None = None
    """None: not read yet (H5)."""
    neighbors: int | None = None
    """Established BGP neighbours; None: unknown."""
    unaddressed: Mapping[str, str] = field(default_factory=dict)
    """VIPs, of any service, that cannot be put on the loopback interface, and why: packets would be lost."""
    drain_until: float = 0.0
    leaving: bool = False
    """About to stop: the others are to announce first (E3)."""
    stopping: bool = False
    told: dict[str, Preference | None] = field(default_factory=dict)
    """What ExaBGP was last asked for, by VIP; None: to withdraw it. Not in it: nothing yet in this run."""
    displaced: set[str] = field(default_factory=set)
    """Owned VIPs that another agent under this node's name has taken from us (G3)."""

    @property
    def serving(self) -> bool:
        """Whether the BGP gate lets this node count as able to serve; one that cannot see is open (E5)."""
        return self.neighbors is None or self.neighbors >= self.settings.require_bgp

    @property
    def missing(self) -> Mapping[str, str]:
        """The VIPs of this service that cannot be put on the loopback interface, and why."""
        return {vip: self.unaddressed[vip] for vip in self.settings.pool if vip in self.unaddressed}

    @property
    def able(self) -> bool:
        """Whether this node may be registered, so that the others count on it: for orphans, too."""
        return self.serving and not (self.unaddressed and self.missing)

    def reconfigure(self, settings: ServiceSettings) -> None:
        """Take new settings; what was learnt stays."""
        self.settings = settings
        self.health.rise, self.health.fall = settings.rise, settings.fall
        self.view.settle = settings.settle

    def conflicts(self, vip: str) -> bool:
        """Say whether somebody else holds the registration of an owned VIP (G3)."""
        member = self.view.members.get(vip)
        if member is None or member.claim is Claim.OURS:
            return False
        return member.claim is Claim.OTHER or vip in self.displaced

    @property
    def counted(self) -> bool:
        """Whether the others see a registration of ours, and so count on this node."""
        return any(self.view.lives(vip) and not self.conflicts(vip) for vip in self.settings.owned)


class Takers:
    """The seats that may take orphans before this node does: found once for each decision (A2).

    Args:
        settings: the service, as configured.
        view: what is known of its members.
        moment: of the decision.
        registered: whether the others see a registration of this node, and so count on it.
    """

    def __init__(self, settings: ServiceSettings, view: View, moment: Moment, *, registered: bool) -> None:
        self._settings = settings
        self._view = view
        self._moment = moment
        self._registered = registered

    def before_us(self, vip: str) -> Iterator[int]:
        """Return the seats with a node, alive or presumed to be, that take `vip` before we do."""
        return self._settings.preferences.before(vip, self._present, registered=self._registered)

    def rank(self, vip: str) -> int:
        """Return our rank for `vip` among those that take it."""
        if vip not in self._ranks:
            self._ranks[vip] = 1 + sum(1 for _ in self.before_us(vip))
        return self._ranks[vip]

    @cached_property
    def _ranks(self) -> dict[str, int]:
        return self._settings.preferences.ranks(self._present, registered=self._registered)

    @cached_property
    def _present(self) -> tuple[int, ...]:
        view, moment = self._view, self._moment
        return tuple(
            number
            for number, seat in enumerate(self._settings.seats)
            if any(view.lives(taker) or view.presumes(taker, moment) for taker in seat)
        )


def verdicts(facts: Facts, moment: Moment) -> dict[str, Verdict]:
    """Decide about every VIP of the service's pool."""
    barred = _barred(facts)
    if barred is not None:
        return dict.fromkeys(facts.settings.pool, Verdict(barred))
    decide = _decision(facts, moment)
    return {
        vip: Verdict(Reason.NO_ADDRESS) if vip in facts.unaddressed else decide(vip)
        for vip in facts.settings.pool
    }


def _decision(facts: Facts, moment: Moment) -> Callable[[str], Verdict]:
    """Decide what the node's own state says of all VIPs alike; return what decides about one of them."""
    if facts.leaving:
        return lambda vip: _leaving(facts, vip)
    if _starting(facts, moment):
        return lambda _vip: Verdict(Reason.STARTING, leave=True)
    if facts.maintenance is not None and facts.maintenance.node:
        return lambda vip: _in_maintenance(facts, vip, moment)
    owned, without_store = facts.settings.owned_set, _without_store(facts)
    if without_store is not None:
        return lambda vip: _own(facts, vip) if vip in owned else Verdict(without_store)
    takers = Takers(facts.settings, facts.view, moment, registered=facts.counted)
    return lambda vip: _own(facts, vip) if vip in owned else _others(facts, vip, moment, takers)


def lowest_rank(settings: ServiceSettings) -> int:
    """Return the highest number that a rank can have: that of a draining node (H2)."""
    return len(settings.seats) if settings.takeover is Takeover.RANKED else 2


def _barred(facts: Facts) -> Reason | None:
    """Say why this node must not announce anything at all."""
    if facts.stopping:
        return Reason.STOPPING
    if facts.maintenance is not None and facts.maintenance.service:
        return Reason.MAINTENANCE_SERVICE
    if facts.health.state in _UNFIT:
        return _UNFIT[facts.health.state]
    if facts.view.gone and facts.settings.on_store_loss is OnStoreLoss.WITHDRAW:
        return Reason.STORE_LOST
    return None


def _starting(facts: Facts, moment: Moment) -> bool:
    """Say whether it is too early for anything: no verdict of the check, or of the store (H4, H5, L2)."""
    if facts.health.state is CheckState.STARTING:
        return True
    unread = facts.maintenance is None or not facts.view.known
    return unread and not moment.reached(facts.started + facts.settings.start_grace)


def _without_store(facts: Facts) -> Reason | None:
    """Say why the other nodes' VIPs are out of the question for now."""
    if not facts.view.known:
        return Reason.STORE_UNKNOWN
    if facts.view.gone and facts.settings.on_store_loss is OnStoreLoss.OWN:
        return Reason.STORE_LOST
    return None


def _leaving(facts: Facts, vip: str) -> Verdict:
    """Announce for a last time what is announced, so that the others' routes are preferred (E3)."""
    if vip not in facts.told:
        return Verdict(Reason.STARTING, leave=True)
    if facts.told[vip] is None:
        return Verdict(Reason.STOPPING)
    return Verdict(Reason.STOPPING, Preference(lowest_rank(facts.settings), draining=True))


def _in_maintenance(facts: Facts, vip: str, moment: Moment) -> Verdict:
    if facts.told.get(vip) is None or moment.reached(facts.drain_until):
        return Verdict(Reason.MAINTENANCE_NODE)
    return Verdict(Reason.DRAINING, Preference(lowest_rank(facts.settings), draining=True))


def _own(facts: Facts, vip: str) -> Verdict:
    if facts.conflicts(vip):
        return Verdict(Reason.CONFLICT)
    return Verdict(Reason.OWNER if facts.serving else Reason.NO_BGP, Preference(0))


def _others(facts: Facts, vip: str, moment: Moment, takers: Takers) -> Verdict:
    settings, view = facts.settings, facts.view
    lives = view.lives(vip)
    if lives and settings.standby is Standby.COLD:
        return _hand_back(facts, vip, moment)
    if not lives and view.presumes(vip, moment):
        return Verdict(Reason.SETTLING, leave=True)
    rank = _TAKERS[settings.takeover](facts, vip, moment, takers)
    if rank is None:
        return Verdict(Reason.STANDBY)
    return Verdict(Reason.HOT_STANDBY if lives else Reason.TAKEOVER, Preference(rank))


def _hand_back(facts: Facts, vip: str, moment: Moment) -> Verdict:
    """Keep what was taken over until its owner has been back for long enough, as far as we can see (H1)."""
    held = facts.told.get(vip)
    given_up = vip in facts.told and held is None
    if given_up or (facts.view.fresh and facts.view.lived_for(vip, facts.settings.release_delay, moment)):
        return Verdict(Reason.STANDBY)
    return Verdict(Reason.RELEASING, held, leave=held is None)


def _rank_of_all(_facts: Facts, _vip: str, _moment: Moment, _takers: Takers) -> int:
    return 1


def _rank_in_order(_facts: Facts, vip: str, _moment: Moment, takers: Takers) -> int:
    return takers.rank(vip)


def _rank_of_one(facts: Facts, vip: str, moment: Moment, takers: Takers) -> int | None:
    """Take the orphan unless somebody before us does; once taken, keep it until they surely do.

    Somebody who has just registered settles first (L3), and takes nothing over in that time.
    """
    settings, view = facts.settings, facts.view
    better = (taker for seat in takers.before_us(vip) for taker in settings.seats[seat])
    if facts.told.get(vip) is None:
        others = any(
            view.presumes(taker, moment) or view.lived_for(taker, settings.settle, moment) for taker in better
        )
    else:
        surely = settings.settle + settings.release_delay
        others = view.fresh and any(view.lived_for(taker, surely, moment) for taker in better)
    return None if others else 1


_TAKERS = {Takeover.ALL: _rank_of_all, Takeover.RANKED: _rank_in_order, Takeover.ONE: _rank_of_one}
