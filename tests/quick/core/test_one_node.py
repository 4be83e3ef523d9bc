"""Property tests of one node: core, command queue and a modelled ExaBGP under random events.

`tests/properties.py` describes how to run more examples.
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
from tests.quick.core.event_node import EventNode, SendableEvent
from tests.quick.core.pools import service
from tests.simulation.dialect import Dialect
from tests.simulation.exabgp import ExaBGP
from tests.simulation.invariants import Invariants, visible_actions
from tests.simulation.node import ROUTES, prefix
from vipagent.core import events
from vipagent.core.actions import Action
from vipagent.core.settings import FlapHold, ServiceSettings
from vipagent.engine import inputs
from vipagent.exabgp import route
from vipagent.exabgp.commands import RESEND_INTERVAL
from vipagent.exabgp.table import RouteIdentity
from vipagent.types import CheckResult, Claim, OnStoreLoss, Standby, StoreState, Takeover

POOLS = (
    ((("10.0.0.1",), ("10.0.0.2",), ("10.0.0.3",)), ("10.0.0.1",)),
    ((("10.0.0.1", "10.0.0.5"), ("10.0.0.2", "10.0.0.6"), ("10.0.0.3",)), ("10.0.0.1", "10.0.0.5")),
    ((("10.0.0.1", "10.0.0.5"), ("10.0.0.2",)), ("10.0.0.2",)),
    ((("10.0.0.1",),), ("10.0.0.1",)),
    ((("10.0.0.1",), ("10.0.0.2",)), ()),
)
VIPS = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6", "203.0.113.9")
"""VIPs of all pools, and one that is not configured."""
MAINTENANCE = tuple(
    events.MaintenanceSeen(service=service, node=node, now=now)
    for service, node, now in [(False, False, False)] * 3
    + [(True, False, False), (False, True, False), (False, True, True), (True, True, False)]
)
TIMES = (0.005, 0.05, 0.3, 1.0, 2.0, 4.0, 6.5, 11.0, 35.0)
DELAYS = (0.001, 0.05, 0.5, 3.0)
SETTLED = 5.0
"""Seconds until all routes have been sent again for a new BGP session."""
STOPPED = 1.0
"""Seconds until a stopped agent has exited."""
CONVERGED = 70.0
"""Seconds until convergence; longer than any delay or retry."""

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


class NodeMachine(RuleBasedStateMachine):
    """Random events in any order; `Invariants` and `teardown` check the invariants."""

    handled = 0

    @initialize(
        settings=settings_of_a_service,
        acks=st.sampled_from([True, True, False]),
        stale=st.sets(st.sampled_from(VIPS[:3])),
        serving=st.booleans(),
    )
    def start(self, settings: ServiceSettings, acks: bool, stale: set[str], serving: bool) -> None:
        self.members: dict[str, events.Member] = {}
        self.was_paused = False
        self.exabgp = ExaBGP(Dialect(acks=acks))
        for vip in stale & set(settings.pool):
            self.exabgp.table[prefix(vip)] = self.exabgp.wire[prefix(vip)] = "next-hop self med 300"
        self._live(settings, 0.0)
        if serving:
            self._serve()

    def _serve(self) -> None:
        """Start with a connected store, no maintenance and a good check."""
        self._send_twice(MAINTENANCE[0])
        self.store(StoreState.CONNECTED, read=True)
        self.check(CheckResult.GOOD, times=3)

    def _live(
        self, settings: ServiceSettings, now: float, earlier: frozenset[RouteIdentity] | None = None
    ) -> None:
        self.checker = Invariants(settings, now)
        self.node = EventNode(settings, self.exabgp, now, self._saw, earlier=earlier)

    def _saw(self, event: events.Event, todo: list[Action], now: float) -> None:
        NodeMachine.handled += 1
        self.checker.check_event(event, todo, now)
        if self.exabgp.acks:
            for vip in self.checker.served:
                assert prefix(vip) in self.exabgp.table, "G1: registered without a route"

    @invariant()
    def store_has_the_registrations_requested_by_the_core(self) -> None:
        if hasattr(self, "node"):
            assert self.checker.registered == self.node.registered

    def _send_twice(self, event: SendableEvent) -> None:
        """Send an event twice: the repetition must not change any route (A6)."""
        self.node.send(event)
        again = visible_actions(self.node.send(event))
        assert not again, f"A6: {again} for a repeated event"

    @rule(
        result=st.sampled_from([CheckResult.GOOD] * 4 + [CheckResult.BAD, CheckResult.DISABLED]),
        times=st.integers(1, 3),
    )
    def check(self, result: CheckResult, times: int) -> None:
        for _ in range(times):
            self.node.send(events.CheckFinished(result))

    @rule(vip=st.sampled_from(VIPS), claim=st.sampled_from(Claim))
    def member_joins_or_leaves(self, vip: str, claim: Claim) -> None:
        """Add or remove a member; only members of owned VIPs have a random holder."""
        if vip in self.members:
            del self.members[vip]
        else:
            self.members[vip] = events.Member(claim if vip in self.node.settings.owned else Claim.OTHER, "x")
        self._send_twice(events.MembersSeen(dict(self.members)))

    @rule(vips=st.sets(st.sampled_from(VIPS)))
    def all_members_change(self, vips: set[str]) -> None:
        self.members = {vip: events.Member() for vip in vips - set(self.node.settings.owned)}
        self.members |= {vip: events.Member(Claim.OURS, "node1") for vip in self.node.registered}
        self._send_twice(events.MembersSeen(dict(self.members)))

    @rule(seen=st.sampled_from(MAINTENANCE))
    def maintenance(self, seen: events.MaintenanceSeen) -> None:
        self._send_twice(seen)

    @rule(state=st.sampled_from([StoreState.CONNECTED, *StoreState]), read=st.booleans())
    def store(self, state: StoreState, read: bool) -> None:
        self._send_twice(events.StoreChanged(state))
        if read:
            self._send_twice(events.MembersSeen(dict(self.members)))

    @rule(seconds=st.sampled_from(TIMES))
    def wait(self, seconds: float) -> None:
        self.node.wait(seconds)

    @rule()
    def session_flaps(self) -> None:
        self.node.set_bgp_session(established=not self.exabgp.established)

    @precondition(lambda self: self.exabgp.acks)
    @rule(vip=st.sampled_from(VIPS))
    def toggle_refusal(self, vip: str) -> None:
        self.exabgp.refused ^= {prefix(vip)}

    @precondition(lambda self: self.exabgp.acks)
    @rule(delay=st.sampled_from(DELAYS))
    def set_exabgp_delay(self, delay: float) -> None:
        self.exabgp.delay = delay

    @rule()
    def toggle_exabgp_stall(self) -> None:
        if self.exabgp.paused:
            self.exabgp.resume(self.node.now)
        else:
            self.node.wait(max(DELAYS))  # so that it has answered at least once
            self.exabgp.pause()
            self.was_paused = True

    @rule(settings=settings_of_a_service)
    def reconfigure(self, settings: ServiceSettings) -> None:
        self._send_twice(events.Reconfigured(settings))

    @precondition(lambda self: not self.exabgp.paused)
    @rule(serving=st.booleans())
    def agent_is_killed_and_restarted(self, serving: bool) -> None:
        self.exabgp.pipe, self.exabgp.process_at = [], None
        self._live(self.node.settings, self.node.now, self.node.saved)
        if serving:
            self._serve()

    @precondition(lambda self: self.node.now > 60 and not self.exabgp.paused)
    @rule(serving=st.booleans())
    def agent_is_stopped_and_restarted(self, serving: bool) -> None:
        settled = self.exabgp.established and self.node.now > self.exabgp.up_at + SETTLED
        quick = self.exabgp.delay < max(DELAYS[:2]) and settled
        self.node.handle(inputs.ShutdownRequested())
        self.node.wait(STOPPED)
        assert self.node.ended
        assert self.node.registered == set()
        assert not (quick and self.exabgp.wire), "E3: all is withdrawn"
        self._live(self.node.settings, self.node.now, self.node.saved)
        if serving:
            self._serve()

    def teardown(self) -> None:
        """After convergence, ExaBGP's neighbour has the requested routes, and no timer is pending."""
        if not hasattr(self, "node"):
            return
        self.exabgp.refused.clear()
        self.exabgp.delay = 0.01
        self.exabgp.resume(self.node.now)
        self.node.set_bgp_session(established=True)
        # Without acknowledgements, commands accumulate while ExaBGP is paused, and it may reorder those of a
        # prefix in one flush: the periodic resend repairs it (E1, A6).
        self.node.wait(CONVERGED + (RESEND_INTERVAL if self.was_paused and not self.exabgp.acks else 0.0))
        for vip, preference in self.node.requested.items():
            [line] = route.announce(ROUTES, vip, preference) if preference else [None]
            wire = self.exabgp.wire.get(prefix(vip))
            assert line == (wire and f"announce route {prefix(vip)} {wire}")
        configured = {prefix(vip) for vip in VIPS[:-1]}
        assert set(self.exabgp.wire) <= configured, "A5: a prefix that is not configured"
        # Its table does not show a route that came with a session although it had been withdrawn before (E2).
        pool = {prefix(vip) for vip in self.node.settings.pool}
        assert set(self.exabgp.table) <= pool, "E2: a route that an earlier run or configuration has left"
        assert self.node.core_timer is None, "unneeded timer"


@pytest.mark.slow
def test_node_under_random_events() -> None:
    NodeMachine.handled = 0
    run_state_machine_as_test(NodeMachine, settings=examples(900))
    assert NodeMachine.handled >= 60_000, NodeMachine.handled
