"""State machine of one service on one node (Shape 1, A6).

Level-triggered: every event updates the state, then all routes and registrations are computed again, and only
the difference from what was requested before is returned as actions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
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
    Withdraw,
)
from vipagent.core.decision import Decision, decide
from vipagent.core.flaps import FlapDamping
from vipagent.core.registration import Registrations
from vipagent.core.report import reasons, report_of
from vipagent.core.settings import ServiceSettings
from vipagent.core.state import Deadlines, Health, ServiceState, View
from vipagent.types import CheckResult, CheckState, Claim, Reason

HOOK_STATES = frozenset({CheckState.UP, CheckState.DOWN, CheckState.DISABLED})


class Service:
    """Decides for one service on one node.

    Args:
        settings: the configured service.
        now: the monotonic clock, in seconds; `start_grace` counts from here.
    """

    def __init__(self, settings: ServiceSettings, now: float) -> None:
        self._state = ServiceState(
            settings=settings,
            started=now,
            health=Health(settings.rise, settings.fall),
            view=View(settings.settle),
        )
        self._registrations = Registrations()
        self._damping = FlapDamping()
        self.check_detail = ""
        """Output of the last check; while the state is DOWN, of the last one that has failed."""
        self._published: Report | None = None
        self._timer: float | None = None

    @property
    def settings(self) -> ServiceSettings:
        """The current configuration."""
        return self._state.settings

    @property
    def check_changing(self) -> bool:
        """Whether the next check should run after `fast_interval` instead of `interval`."""
        return self._state.health.changing

    @property
    def report(self) -> Report | None:
        """The last published report."""
        return self._published

    def handle(self, event: events.Event, now: float) -> list[Action]:
        """Handle one event and return the actions to carry out, in order.

        Args:
            event: the event.
            now: the monotonic clock, in seconds; must not go backwards.
        """
        actions: list[Action] = []
        match event:
            case events.CheckFinished(result, detail):
                changed = self._state.health.count(result)
                if result is not CheckResult.GOOD or self._state.health.state is not CheckState.DOWN:
                    self.check_detail = detail
                if not changed:
                    return []
                if self._state.health.state in HOOK_STATES:
                    actions.append(RunHook(self._state.health.state))
            case events.Reconfigured(settings):
                actions.extend(self._reconfigure(settings, now))
            case _:
                changes = event.events if isinstance(event, events.Batch) else (event,)
                refused = self._state.refused.copy()
                for change in changes:
                    self._update(change, now)
                if refused == self._state.refused and not any(map(self._affects_decisions, changes)):
                    return list(self._publish_accepted(changes))
        actions.extend(self._decide(now))
        return actions

    def _update(self, event: events.StateChange, now: float) -> None:
        state = self._state
        match event:
            case events.MembersSeen() | events.MaintenanceSeen() | events.StoreChanged():
                self._update_from_store(event, now)
            case (
                events.NeighborsChanged()
                | events.RouteAccepted()
                | events.RouteRefused()
                | events.TableRead()
            ):
                self._update_from_exabgp(event)
            case events.AddressesMissing(vips):
                state.missing_addresses = vips
            case events.AddressesNotLocal(not_local):
                state.not_local = not_local
            case events.LeaveRequested():
                state.leaving = True
            case events.StopRequested():
                state.leaving = state.stopping = True
            case events.TimerFired():
                self._timer = None
            case _:
                assert_never(event)

    def _update_from_store(self, event: events.FromStore, now: float) -> None:
        match event:
            case events.MembersSeen(members):
                self._state.view.update(members, now)
                self._detect_duplicate()
            case events.MaintenanceSeen():
                self._update_maintenance(event, now)
            case events.StoreChanged(state):
                self._state.view.store_changed(state, now)
            case _:
                assert_never(event)

    def _update_from_exabgp(self, event: events.FromExaBGP) -> None:
        match event:
            case events.NeighborsChanged(established, families, unseen):
                self._state.neighbors, self._state.families = established, families
                self._state.bgp_unseen = unseen
            case events.TableRead(vips, unsure):
                self._state.table, self._state.unsure = vips, set(unsure)
            case events.RouteAccepted(vip):
                self._registrations.accepted.add(vip)
                self._state.refused.discard(vip)
            case events.RouteRefused(vip):
                self._registrations.accepted.discard(vip)
                if self._state.requested.get(vip):
                    self._state.refused.add(vip)
            case _:
                assert_never(event)

    def _affects_decisions(self, event: events.StateChange) -> bool:
        """Return whether an event can change a decision; replies about VIPs not owned cannot (G1)."""
        if isinstance(event, events.RouteAccepted | events.RouteRefused):
            return event.vip in self._state.settings.owned_set
        return True

    def _detect_duplicate(self) -> None:
        """Detect a duplicate agent of this node that has replaced our registration (G3).

        A registration under this node's name that was not ours before is a stale one, which we replace.
        """
        state = self._state
        for vip in state.settings.owned:
            member = state.view.members.get(vip)
            if member is None:
                state.displaced.discard(vip)
            elif member.claim is Claim.OURS:
                state.displaced.discard(vip)
                self._registrations.confirm(vip)
            elif member.claim is Claim.SAME_NODE and vip in self._registrations.held:
                state.displaced.add(vip)

    def _update_maintenance(self, seen: events.MaintenanceSeen, now: float) -> None:
        state = self._state
        before = state.maintenance
        if seen.node and not (before is not None and before.node):
            state.drain_until = now if seen.now else now + state.settings.drain_delay
        elif seen.now:
            state.drain_until = now
        if before is not None and before.service and not seen.service:
            state.view.expect(state.settings.pool, now)  # every node had deregistered for the maintenance
        state.maintenance = seen

    def _reconfigure(self, settings: ServiceSettings, now: float) -> Iterable[Action]:
        """Replace the settings; withdraw and deregister the VIPs that were removed (E3)."""
        state = self._state
        before, after = set(state.settings.pool), set(settings.pool)
        disowned = self._registrations.requested - set(settings.owned)
        state.reconfigure(settings)
        state.view.forget(disowned)
        if added := after - before | disowned & after:
            state.view.expect(added, now)
        for vip in sorted(disowned):
            yield self._deregister(vip, Reason.REMOVED)
        for vip in sorted(before - after):
            state.requested.pop(vip, None)
            self._registrations.accepted.discard(vip)
            state.refused.discard(vip)
            yield Withdraw(vip, Reason.REMOVED)

    def _decide(self, now: float) -> list[Action]:
        state, registrations = self._state, self._registrations
        saved = state.requested.copy(), registrations.requested.copy(), registrations.accepted.copy()
        try:
            return self._decide_all(now)
        except Exception:  # the actions are lost: restore the state, so that the next event repeats them (A6)
            state.requested, registrations.requested, registrations.accepted = saved
            raise

    def _decide_all(self, now: float) -> list[Action]:
        deadlines, held = Deadlines(now), self._state.held_until is not None
        self._state.held_until = self._damping.held_until(
            self._state.settings.flap_hold,
            deadlines,
            up=self._state.can_register,
            registered=bool(self._registrations.requested),
        )
        decisions = decide(self._state, deadlines)
        routes = [action for vip, decision in decisions.items() for action in self._route(vip, decision)]
        desired = self._registrations.desired(self._state)
        found = reasons(self._state, decisions)
        lost = sorted(self._registrations.requested - desired)
        missed = self._state.settings.owned if held and not self._state.can_register else ()
        for vip in [vip for vip in lost if vip in self._registrations.served] or missed:
            self._damping.count_loss(vip, self._why_lost(found[vip]), now)
        actions: list[Action] = [self._deregister(vip, self._why_lost(found[vip])) for vip in lost]
        actions += routes
        actions += [Register(vip) for vip in sorted(desired - self._registrations.requested)]
        self._registrations.requested |= desired
        actions += self._publish(found)
        if deadlines.next != self._timer:
            self._timer = deadlines.next
            actions.append(SetTimer(deadlines.next))
        return actions

    def _route(self, vip: str, decision: Decision) -> Iterable[Action]:
        requested = self._state.requested
        if decision.keep or (vip in requested and requested[vip] == decision.preference):
            return
        requested[vip] = decision.preference
        self._state.unsure.add(vip)
        self._state.refused.discard(vip)
        if decision.preference is None:
            self._registrations.accepted.discard(vip)
            yield Withdraw(vip, decision.reason)
        else:
            yield Announce(vip, decision.preference, decision.reason)

    def _why_lost(self, reason: Reason) -> Reason:
        """Return the reason for deregistering a VIP, which may still be announced."""
        if reason is not Reason.OWNER:
            return reason
        return Reason.REFUSED if self._state.able else Reason.NO_ADDRESS

    def _deregister(self, vip: str, reason: Reason) -> Deregister:
        self._registrations.requested.discard(vip)
        self._registrations.held.discard(vip)
        self._registrations.served.discard(vip)
        return Deregister(vip, reason)

    def _publish(self, found: Mapping[str, Reason]) -> Iterable[Action]:
        report = report_of(self._state, self._registrations, found, self.check_detail)
        if report != self._published:
            self._published = report
            yield Publish(report)

    def _publish_accepted(self, changes: Iterable[events.StateChange]) -> Iterable[Action]:
        """Publish the replies about VIPs that are not owned, on which no decision depends."""
        report = self._published
        replied = {
            change.vip: isinstance(change, events.RouteAccepted)
            for change in changes
            if isinstance(change, events.RouteAccepted | events.RouteRefused)
            and report is not None
            and change.vip in report.vips
        }
        if report is None:
            return
        changed = {vip: report.vips[vip]._replace(accepted=accepted) for vip, accepted in replied.items()}
        if any(report.vips[vip] != seen for vip, seen in changed.items()):
            self._published = replace(report, vips={**report.vips, **changed})
            yield Publish(self._published)
