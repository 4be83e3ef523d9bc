"""Simulator: machines, store and faults in virtual time, and the invariants."""

from collections.abc import Callable
from functools import partial

from tests.simulation import converged
from tests.simulation.clock import Clock
from tests.simulation.environment import Environment
from tests.simulation.faults import Faults
from tests.simulation.invariants import Invariants
from tests.simulation.machine import Machine
from tests.simulation.node import prefix
from tests.simulation.outages import Outages
from tests.simulation.plan import Plan
from tests.simulation.server import Server
from tests.simulation.stale_routes import StaleRoutes, is_sent_again
from tests.simulation.takeover_invariants import MoveLimit, SettleInvariant
from tests.simulation.timeline import Entry
from vipagent.core import events
from vipagent.core.actions import Action, Withdraw
from vipagent.core.settings import ServiceSettings
from vipagent.store.layout import member_name
from vipagent.types import Reason

EventCheck = Callable[[events.Event, list[Action], float], None]
MAX_START_TIME = 5.0
"""Seconds within which all machines start."""


class Simulator:
    """One run of a plan.

    Args:
        plan: the machines, delays and faults.
        record: called with each entry of the timeline.
    """

    def __init__(self, plan: Plan, record: Callable[[Entry], None] | None = None) -> None:
        self.clock = Clock()
        rng = plan.new_rng()
        self.server = Server(self.clock, rng, plan.session_timeout)
        self._plan = plan
        self._record = record
        self._checks: dict[str, tuple[EventCheck, ...]] = {}
        environment = Environment(self.clock, rng, self.server, plan.timing, self)
        self.machines = [
            Machine(settings, exabgp, environment)
            for settings, exabgp in zip(plan.machines, plan.exabgps, strict=True)
        ]
        self._owners = {vip: machine for machine in self.machines for vip in machine.settings.owned}
        self._outages = Outages(self.machines, self.server, plan.timing)
        self._stale_routes = StaleRoutes(self.machines, plan.timing.exabgp_delay)
        self._faults = Faults(self.machines, environment)
        for machine in self.machines:
            self.clock.at(environment.rng.uniform(0, MAX_START_TIME), machine.start_exabgp)

    def run(self) -> None:
        """Run the plan.

        Raises:
            AssertionError: an invariant is violated.
        """
        for fault in self._plan.faults:
            self.clock.at(fault.at, partial(self._faults.start, fault))
        for quiet_time in self._plan.quiet_times:
            self.clock.at(quiet_time, self._check_converged)
        clock, next_check_at = self.clock, 0.0
        for call in clock.calls(self._plan.quiet_times[-1]):
            if clock.now >= next_check_at:
                next_check_at = self._check(clock.now)
            call()

    def _check(self, now: float) -> float:
        """Check what is due before the events at this time; return the time of the next check."""
        outages, stale = self._outages, self._stale_routes
        if now >= outages.next_check_at:
            outages.check(now)
        if now >= stale.next_check_at:
            stale.check(now)
        return min(outages.next_check_at, stale.next_check_at)

    def log(self, source: str, message: str) -> None:
        """Record a message in the timeline."""
        if self._record:
            self._record(Entry(self.clock.now, source, message))

    def agent_started(self, settings: ServiceSettings) -> None:
        """Start checking a new agent process."""
        self._checks[settings.node] = (
            Invariants(settings, self.clock.now).check_event,
            SettleInvariant(settings).check_event,
            MoveLimit(settings).check_event,
        )

    def decided(self, node: str, event: events.Event, todo: list[Action]) -> None:
        """Check the decision of a node's core."""
        now = self.clock.now
        if self._record:
            self._record(Entry(now, node, event, tuple(todo)))
        for check in self._checks[node]:
            check(event, todo, now)
        for action in todo:
            if isinstance(action, Withdraw) and action.reason is Reason.STANDBY:
                self._check_hand_back(action.vip)

    def vip_removed(self, vip: str) -> None:
        """Expect that no node serves a VIP."""
        self._outages.remove(vip)

    def vip_restored(self, vip: str, at: float) -> None:
        """Expect that a VIP is served again, unserved since a time unless a neighbour has kept its route.

        A kept route is on the wire: no event follows its announcement, because that changes nothing there.
        """
        self._outages.restore(vip, at)
        self.routes_changed()

    def routes_changed(self) -> None:
        """Update the served VIPs after routes may have changed."""
        self._outages.update(self.clock.now)

    def _check_hand_back(self, vip: str) -> None:
        """Check that the owner announces a VIP before another node hands it back (H1, G1)."""
        owner, entry = self._owners[vip], self.server.members.get(member_name(vip))
        able = owner.impairments.able_since
        if (
            able is None
            or entry is None
            or owner.agent is None
            or entry.session is not owner.agent.client.session
        ):
            return
        if self.clock.now > able + self._outages.delay(owner):
            served = owner.serves(prefix(vip)) or is_sent_again(owner, prefix(vip), self.clock.now)
            assert served, f"H1: {vip} was handed back to {owner.name}, which has no route"

    def _check_converged(self) -> None:
        self.log("all", "quiet, checking convergence")
        converged.check(self.machines, self.server)
