"""One node under random events: core, speaker and a modelled ExaBGP together (the contract's invariants).

`tests/properties.py` says how to try more than CI does.
"""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.properties import examples
from tests.quick.core.nodes import Told, ToldNode
from tests.quick.core.pools import service
from tests.simulation.exabgp import ExaBGP
from tests.simulation.node import ROUTES, prefix
from tests.simulation.oracle import Oracle, touches_routes
from vipagent.core import events
from vipagent.core.actions import Action
from vipagent.core.settings import FlapHold, ServiceSettings
from vipagent.engine import inputs
from vipagent.exabgp import route
from vipagent.types import CheckResult, Claim, OnStoreLoss, Standby, StoreState, Takeover

POOLS = (
    ((("10.0.0.1",), ("10.0.0.2",), ("10.0.0.3",)), ("10.0.0.1",)),
    ((("10.0.0.1", "10.0.0.5"), ("10.0.0.2", "10.0.0.6"), ("10.0.0.3",)), ("10.0.0.1", "10.0.0.5")),
    ((("10.0.0.1", "10.0.0.5"), ("10.0.0.2",)), ("10.0.0.2",)),
    ((("10.0.0.1",),), ("10.0.0.1",)),
    ((("10.0.0.1",), ("10.0.0.2",)), ()),
)
VIPS = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6", "203.0.113.9")
"""All of the pools', and one that no configuration names."""
MAINTENANCE = tuple(
    events.MaintenanceSeen(service=service, node=node, now=now)
    for service, node, now in [(False, False, False)] * 3
    + [(True, False, False), (False, True, False), (False, True, True), (True, True, False)]
)
TIMES = (0.005, 0.05, 0.3, 1.0, 2.0, 4.0, 6.5, 11.0, 35.0)
DELAYS = (0.001, 0.05, 0.5, 3.0)
SETTLED = 5.0
"""Seconds after which all that a new BGP session needs has been said again."""
STOPPED = 1.0
"""Seconds within which an agent that is asked to stop has ended."""
LONG = 70.0
"""Seconds in which all that is under way comes to its end: no delay and no retry takes longer."""

settings_of_a_service = st.builds(
    lambda pool, **fields: service(owners=pool[0], owned=pool[1], **fields),
    st.sampled_from(POOLS),
    takeover=st.sampled_from(Takeover),
    standby=st.sampled_from(Standby),
    on_store_loss=st.sampled_from(
        [OnStoreLoss.KEEP, OnStoreLoss.KEEP, OnStoreLoss.OWN, OnStoreLoss.WITHDRAW]
    ),
    require_bgp=st.sampled_from([0, 0, 1]),
    rise=st.sampled_from([1, 2, 3]),
    fall=st.sampled_from([1, 2, 3]),
    flap_hold=st.sampled_from([FlapHold(), FlapHold(seconds=20.0, count=2, window=15.0)]),
)


class OneNode(RuleBasedStateMachine):
    """Anything may happen, in any order; `Oracle` and `teardown` say what must hold."""

    tried = 0

    @initialize(
        settings=settings_of_a_service,
        acks=st.sampled_from([True, True, False]),
        stale=st.sets(st.sampled_from(VIPS[:3])),
        serving=st.booleans(),
    )
    def start(self, settings: ServiceSettings, acks: bool, stale: set[str], serving: bool) -> None:
        self.members: dict[str, events.Member] = {}
        self.exabgp = ExaBGP(acks=acks)
        for vip in stale & set(settings.pool):
            self.exabgp.table[prefix(vip)] = self.exabgp.wire[prefix(vip)] = "next-hop self med 300"
        self._live(settings, 0.0)
        if serving:
            self._serve()

    def _serve(self) -> None:
        """Start as nodes mostly do: the store is there, nobody is in maintenance, the check is good."""
        self._feed(MAINTENANCE[0])
        self.store(StoreState.CONNECTED, told=True)
        self.check(CheckResult.GOOD, times=3)

    def _live(self, settings: ServiceSettings, now: float) -> None:
        self.oracle = Oracle(settings, now)
        self.node = ToldNode(settings, self.exabgp, now, self._saw)

    def _saw(self, event: events.Event, todo: list[Action], now: float) -> None:
        OneNode.tried += 1
        self.oracle.saw(event, todo, now)
        if self.exabgp.acks:
            for vip in self.oracle.served:
                assert prefix(vip) in self.exabgp.table, "G1: registered without a route"

    @invariant()
    def what_is_registered_is_what_the_core_asked_for(self) -> None:
        if hasattr(self, "node"):
            assert self.oracle.registered == self.node.registered

    def _feed(self, event: Told) -> None:
        """Feed an event, and again: what is level-triggered does not care how often it is told (A6)."""
        self.node.tell(event)
        again = touches_routes(self.node.tell(event))
        assert not again, f"A6: {again} for an event that says nothing new"

    @rule(
        result=st.sampled_from([CheckResult.GOOD] * 4 + [CheckResult.BAD, CheckResult.DISABLED]),
        times=st.integers(1, 3),
    )
    def check(self, result: CheckResult, times: int) -> None:
        for _ in range(times):
            self.node.tell(events.Checked(result))

    @rule(vip=st.sampled_from(VIPS), claim=st.sampled_from(Claim))
    def member_joins_or_leaves(self, vip: str, claim: Claim) -> None:
        """A member of another node's VIP is another's; one of the own VIP's may be anybody's."""
        if vip in self.members:
            del self.members[vip]
        else:
            self.members[vip] = events.Member(claim if vip in self.node.settings.owned else Claim.OTHER, "x")
        self._feed(events.MembersSeen(dict(self.members)))

    @rule(vips=st.sets(st.sampled_from(VIPS)))
    def all_members_change(self, vips: set[str]) -> None:
        self.members = {vip: events.Member() for vip in vips - set(self.node.settings.owned)}
        self.members |= {vip: events.Member(Claim.OURS, "node1") for vip in self.node.registered}
        self._feed(events.MembersSeen(dict(self.members)))

    @rule(seen=st.sampled_from(MAINTENANCE))
    def maintenance(self, seen: events.MaintenanceSeen) -> None:
        self._feed(seen)

    @rule(state=st.sampled_from([StoreState.CONNECTED, *StoreState]), told=st.booleans())
    def store(self, state: StoreState, told: bool) -> None:
        self._feed(events.StoreChanged(state))
        if told:
            self._feed(events.MembersSeen(dict(self.members)))

    @rule(seconds=st.sampled_from(TIMES))
    def wait(self, seconds: float) -> None:
        self.node.wait(seconds)

    @rule()
    def session_flaps(self) -> None:
        self.node.bgp(established=not self.exabgp.established)

    @precondition(lambda self: self.exabgp.acks)
    @rule(vip=st.sampled_from(VIPS))
    def exabgp_refuses_or_takes_again(self, vip: str) -> None:
        self.exabgp.refused ^= {prefix(vip)}

    @precondition(lambda self: self.exabgp.acks)
    @rule(delay=st.sampled_from(DELAYS))
    def exabgp_is_slow_or_quick(self, delay: float) -> None:
        self.exabgp.delay = delay

    @rule()
    def exabgp_stops_or_goes_on(self) -> None:
        if self.exabgp.stalled:
            self.exabgp.resume(self.node.now)
        else:
            self.node.wait(max(DELAYS))  # it has answered at least once
            self.exabgp.stall()

    @rule(settings=settings_of_a_service)
    def reconfigure(self, settings: ServiceSettings) -> None:
        self._feed(events.Reconfigured(settings))

    @precondition(lambda self: not self.exabgp.stalled)
    @rule(serving=st.booleans())
    def agent_dies_and_exabgp_starts_it_again(self, serving: bool) -> None:
        self.exabgp.pipe, self.exabgp.turn_at = [], None
        self._live(self.node.settings, self.node.now)
        if serving:
            self._serve()

    @precondition(lambda self: self.node.now > 60 and not self.exabgp.stalled)
    @rule(serving=st.booleans())
    def agent_is_asked_to_stop_and_exabgp_starts_it_again(self, serving: bool) -> None:
        settled = self.exabgp.established and self.node.now > self.exabgp.up_at + SETTLED
        quick = self.exabgp.delay < max(DELAYS[:2]) and settled
        self.node.give(inputs.ShutdownRequested())
        self.node.wait(STOPPED)
        assert self.node.ended
        assert self.node.registered == set()
        assert not (quick and self.exabgp.wire), "E3: all is withdrawn"
        self._live(self.node.settings, self.node.now)
        if serving:
            self._serve()

    def teardown(self) -> None:
        """Once events stop, ExaBGP's neighbour has what the core wants, and no timer is left to fire."""
        if not hasattr(self, "node"):
            return
        self.exabgp.refused.clear()
        self.exabgp.delay = 0.01
        self.exabgp.resume(self.node.now)
        self.node.bgp(established=True)
        self.node.wait(LONG)
        for vip, preference in self.node.requested.items():
            line = route.announce(ROUTES, vip, preference) if preference else None
            wire = self.exabgp.wire.get(prefix(vip))
            assert line == (wire and f"announce route {prefix(vip)} {wire}")
        configured = {prefix(vip) for vip in VIPS[:-1]}
        assert set(self.exabgp.wire) <= configured, "A5: a prefix that no configuration names"
        assert self.node.core_timer is None, "a timer for nothing"


@pytest.mark.slow
def test_one_node() -> None:
    OneNode.tried = 0
    run_state_machine_as_test(OneNode, settings=examples(900))
    assert OneNode.tried >= 60_000, OneNode.tried
