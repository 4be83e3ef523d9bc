"""One service on one node: the state machine that every event goes through (Shape 1, A6).

Level-triggered: an event changes the facts, then all that should be announced and registered is worked out
anew, and only the difference to what was asked for before comes out as actions.
"""

from collections.abc import Iterable
from typing import assert_never

from vipagent.core import events
from vipagent.core.actions import (
    Action,
    Announce,
    Deregister,
    Publish,
    Register,
    Report,
    RunHook,
    SetTimer,
    VipReport,
    Withdraw,
)
from vipagent.core.health import Health
from vipagent.core.moment import Moment
from vipagent.core.registration import Registrations
from vipagent.core.settings import ServiceSettings
from vipagent.core.verdict import Facts, Verdict, verdicts
from vipagent.core.view import View
from vipagent.types import CheckState, Claim, Reason

HOOKED = frozenset({CheckState.UP, CheckState.DOWN, CheckState.DISABLED})


class Service:
    """The decisions of one node about one service.

    Args:
        settings: the service, as configured.
        now: the monotonic clock, in seconds; `start_grace` counts from here.
    """

    def __init__(self, settings: ServiceSettings, now: float) -> None:
        self._facts = Facts(
            settings=settings,
            started=now,
            health=Health(settings.rise, settings.fall),
            view=View(settings.settle),
        )
        self._registrations = Registrations()
        self.check_detail = ""
        """What the last check said."""
        self._published: Report | None = None
        self._timer: float | None = None

    @property
    def settings(self) -> ServiceSettings:
        """The configuration in force."""
        return self._facts.settings

    @property
    def check_changing(self) -> bool:
        """Whether the next check should come after `fast_interval` instead of `interval`."""
        return self._facts.health.changing

    @property
    def report(self) -> Report | None:
        """What was last published."""
        return self._published

    def handle(self, event: events.Event, now: float) -> list[Action]:
        """Take one event and return what has to be done about it, in that order.

        Args:
            event: what happened.
            now: the monotonic clock, in seconds, never going backwards.
        """
        actions: list[Action] = []
        match event:
            case events.Checked(result, detail):
                self.check_detail = detail
                if not self._facts.health.count(result):
                    return []
                if self._facts.health.state in HOOKED:
                    actions.append(RunHook(self._facts.health.state))
            case events.Reconfigured(settings):
                actions.extend(self._reconfigure(settings, now))
            case _:
                learnt = event.events if isinstance(event, events.Together) else (event,)
                for one in learnt:
                    self._learn(one, now)
                if not any(map(self._matters, learnt)):
                    return []
        actions.extend(self._decide(now))
        return actions

    def _learn(self, event: events.Fact, now: float) -> None:
        facts = self._facts
        match event:
            case events.MembersSeen() | events.MaintenanceSeen() | events.StoreChanged():
                self._learn_of_store(event, now)
            case events.NeighborsChanged() | events.RouteAccepted() | events.RouteRefused():
                self._learn_of_exabgp(event)
            case events.AddressesMissing(vips):
                facts.unaddressed = vips
            case events.LeaveAsked():
                facts.leaving = True
            case events.StopAsked():
                facts.leaving = facts.stopping = True
            case events.TimerFired():
                self._timer = None
            case _:
                assert_never(event)

    def _learn_of_store(self, event: events.FromStore, now: float) -> None:
        match event:
            case events.MembersSeen(members):
                self._facts.view.seen(members, now)
                self._notice_twins()
            case events.MaintenanceSeen():
                self._take_maintenance(event, now)
            case events.StoreChanged(state):
                self._facts.view.store_changed(state, now)
            case _:
                assert_never(event)

    def _learn_of_exabgp(self, event: events.FromExaBGP) -> None:
        match event:
            case events.NeighborsChanged(established):
                self._facts.neighbors = established
            case events.RouteAccepted(vip):
                self._registrations.accepted.add(vip)
            case events.RouteRefused(vip):
                self._registrations.accepted.discard(vip)
            case _:
                assert_never(event)

    def _matters(self, event: events.Fact) -> bool:
        """Return whether an event can change a decision: ExaBGP's word on another node's VIP cannot (G1)."""
        if isinstance(event, events.RouteAccepted | events.RouteRefused):
            return event.vip in self._facts.settings.owned_set
        return True

    def _notice_twins(self) -> None:
        """Tell a leftover of this node, which we replace, from an agent that has replaced us (G3)."""
        facts = self._facts
        for vip in facts.settings.owned:
            member = facts.view.members.get(vip)
            if member is None:
                facts.displaced.discard(vip)
            elif member.claim is Claim.OURS:
                facts.displaced.discard(vip)
                self._registrations.seen(vip)
            elif member.claim is Claim.SAME_NODE and vip in self._registrations.held:
                facts.displaced.add(vip)

    def _take_maintenance(self, seen: events.MaintenanceSeen, now: float) -> None:
        facts = self._facts
        before = facts.maintenance
        if seen.node and not (before is not None and before.node):
            facts.drain_until = now if seen.now else now + facts.settings.drain_delay
        elif seen.now:
            facts.drain_until = now
        if before is not None and before.service and not seen.service:
            facts.view.expect(facts.settings.pool, now)  # all of them had left on purpose
        facts.maintenance = seen

    def _reconfigure(self, settings: ServiceSettings, now: float) -> Iterable[Action]:
        """Take the new settings; what is no longer in them is given up, all else is decided as ever (E3)."""
        facts = self._facts
        before, after = set(facts.settings.pool), set(settings.pool)
        foreign = self._registrations.wished - set(settings.owned)
        facts.reconfigure(settings)
        facts.view.forget(foreign)
        if unheard_of := after - before | foreign & after:
            facts.view.expect(unheard_of, now)
        for vip in sorted(foreign):
            yield self._give_up(vip, Reason.REMOVED)
        for vip in sorted(before - after):
            facts.told.pop(vip, None)
            self._registrations.accepted.discard(vip)
            yield Withdraw(vip, Reason.REMOVED)

    def _decide(self, now: float) -> list[Action]:
        facts, registrations = self._facts, self._registrations
        asked = facts.told.copy(), registrations.wished.copy(), registrations.accepted.copy()
        try:
            return self._decide_all(now)
        except Exception:  # nobody carries out what was decided: the next event decides it again (A6)
            facts.told, registrations.wished, registrations.accepted = asked
            raise

    def _decide_all(self, now: float) -> list[Action]:
        moment = Moment(now)
        decisions = verdicts(self._facts, moment)
        routes = [action for vip, decided in decisions.items() for action in self._route(vip, decided)]
        wanted = self._registrations.wanted(self._facts, moment)
        given_up = sorted(self._registrations.wished - wanted)
        if given_up:
            self._registrations.lost(now)
        actions: list[Action] = [self._give_up(vip, self._why(decisions[vip])) for vip in given_up]
        actions += routes
        actions += [Register(vip) for vip in sorted(wanted - self._registrations.wished)]
        self._registrations.wished |= wanted
        actions += self._publish(decisions)
        if moment.next != self._timer:
            self._timer = moment.next
            actions.append(SetTimer(moment.next))
        return actions

    def _route(self, vip: str, decided: Verdict) -> Iterable[Action]:
        told = self._facts.told
        if decided.leave or (vip in told and told[vip] == decided.preference):
            return
        told[vip] = decided.preference
        if decided.preference is None:
            self._registrations.accepted.discard(vip)
            yield Withdraw(vip, decided.reason)
        else:
            yield Announce(vip, decided.preference, decided.reason)

    def _why(self, decided: Verdict) -> Reason:
        """Say why a VIP is registered no more; it may be announced all the same."""
        if decided.reason is not Reason.OWNER:
            return decided.reason
        return Reason.REFUSED if self._facts.able else Reason.NO_ADDRESS

    def _give_up(self, vip: str, reason: Reason) -> Deregister:
        self._registrations.wished.discard(vip)
        self._registrations.held.discard(vip)
        return Deregister(vip, reason)

    def _publish(self, decisions: dict[str, Verdict]) -> Iterable[Action]:
        facts = self._facts
        maintenance = facts.maintenance
        report = Report(
            check=facts.health.state,
            neighbors=facts.neighbors,
            vips={vip: self._vip_report(vip, decided) for vip, decided in decisions.items()},
            conflicts={
                vip: facts.view.members[vip].node for vip in facts.settings.owned if facts.conflicts(vip)
            },
            maintenance=maintenance.why if maintenance and (maintenance.node or maintenance.service) else "",
            detail=self.check_detail,
            missing=facts.missing if facts.unaddressed else {},
        )
        if report != self._published:
            self._published = report
            yield Publish(report)

    def _vip_report(self, vip: str, decided: Verdict) -> VipReport:
        announced = self._facts.told.get(vip)
        owned = vip in self._facts.settings.owned_set
        return VipReport(decided.reason, announced.rank if announced else None, owned)
