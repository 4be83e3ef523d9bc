"""A run: machines, store and faults in one virtual time, and everything that must hold."""

from collections.abc import Callable
from functools import partial

from tests.simulation import steady
from tests.simulation.clock import Clock
from tests.simulation.faults import Faults
from tests.simulation.machine import Machine
from tests.simulation.node import prefix
from tests.simulation.oracle import Oracle
from tests.simulation.outages import Outages
from tests.simulation.plan import Plan
from tests.simulation.server import Server
from tests.simulation.settling import Moves, Settling
from tests.simulation.surroundings import Surroundings
from tests.simulation.timeline import Entry
from vipagent.core import events
from vipagent.core.actions import Action, Withdraw
from vipagent.core.settings import ServiceSettings
from vipagent.store.layout import member_name
from vipagent.types import Reason

Judge = Callable[[events.Event, list[Action], float], None]
STARTS = 5.0
"""Seconds within which the machines start."""


class World:
    """All that there is.

    Args:
        plan: what there is, and what befalls it.
        record: takes what happens, for people to read.
    """

    def __init__(self, plan: Plan, record: Callable[[Entry], None] | None = None) -> None:
        self.clock = Clock()
        rng = plan.chance()
        self.server = Server(self.clock, rng, plan.session_life)
        self._plan = plan
        self._record = record
        self._judges: dict[str, tuple[Judge, ...]] = {}
        around = Surroundings(self.clock, rng, self.server, plan.pace, self)
        self.machines = [Machine(settings, around) for settings in plan.machines]
        self._owners = {vip: machine for machine in self.machines for vip in machine.settings.owned}
        self._outages = Outages(self.machines, self.server, plan.pace)
        self._faults = Faults(self.machines, around)
        for machine in self.machines:
            self.clock.at(around.rng.uniform(0, STARTS), machine.start_exabgp)

    def run(self) -> None:
        """Live through the plan.

        Raises:
            AssertionError: a rule is broken.
        """
        for fault in self._plan.faults:
            self.clock.at(fault.at, partial(self._faults.begin, fault))
        for calm in self._plan.calms:
            self.clock.at(calm, self._calm)
        clock, outages, end = self.clock, self._outages, self._plan.calms[-1]
        for call in clock.calls(end):
            if clock.now >= outages.next_look:
                outages.check(clock.now)
            call()

    def noted(self, who: str, what: str) -> None:
        """Something befell somebody."""
        if self._record:
            self._record(Entry(self.clock.now, who, what))

    def begun(self, settings: ServiceSettings) -> None:
        """An agent starts, which knows nothing."""
        self._judges[settings.node] = (
            Oracle(settings, self.clock.now).saw,
            Settling(settings).saw,
            Moves(settings).saw,
        )

    def decided(self, node: str, event: events.Event, todo: list[Action]) -> None:
        """A core took an event."""
        now = self.clock.now
        if self._record:
            self._record(Entry(now, node, event, tuple(todo)))
        for judge in self._judges[node]:
            judge(event, todo, now)
        for action in todo:
            if isinstance(action, Withdraw) and action.reason is Reason.STANDBY:
                self._handed_back(action.vip)

    def rewired(self) -> None:
        """A machine's routes may be others now."""
        self._outages.recount(self.clock.now)

    def _handed_back(self, vip: str) -> None:
        """H1, G1: who gives a VIP back can rely on the owner's registration."""
        owner, held = self._owners[vip], self.server.members.get(member_name(vip))
        able = owner.hindrances.able_since
        if (
            able is None
            or held is None
            or owner.agent is None
            or held.session is not owner.agent.client.session
        ):
            return
        if self.clock.now > able + self._outages.delay:
            assert prefix(vip) in owner.wire, f"H1: {vip} is given back to {owner.name}, which has no route"

    def _calm(self) -> None:
        self.noted("all", "has been quiet for a while")
        steady.check(self.machines, self.server)
