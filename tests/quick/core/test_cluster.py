"""Several nodes under random faults agree on who serves what, and drop no VIP that one could serve."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.properties import examples
from tests.quick.core.cluster import Cluster
from tests.simulation.exabgp import ExaBGP
from tests.simulation.node import prefix
from vipagent.core import events
from vipagent.core.preference import order
from vipagent.core.settings import FlapHold
from vipagent.core.words import CheckResult, Standby, Takeover
from vipagent.engine import inputs
from vipagent.store.layout import WHOLE_SERVICE

POOLS = (
    (("10.0.0.1",), ("10.0.0.2",), ("10.0.0.3",)),
    (("10.0.0.1", "10.0.1.1"), ("10.0.0.2",), ("10.0.0.3", "10.0.1.3"), ("10.0.0.4",)),
    (("10.0.0.1",), ("10.0.0.2",)),
)
LONG = 45.0
"""Seconds after which nothing changes any more, if nothing happens."""
SEEN = 1.0
"""Seconds after which all have seen what happened."""
SETTLED = 9.0
"""Seconds after which a node that was restarted takes over what it should."""
some_seat = st.integers(0, 3)


class SomeNodes(RuleBasedStateMachine):
    """Nodes die, come back, fail their checks, are maintained and cut off, in any order."""

    tried = 0

    @initialize(
        seats=st.sampled_from(POOLS),
        takeover=st.sampled_from(Takeover),
        standby=st.sampled_from(Standby),
        require_bgp=st.sampled_from([0, 1]),
        flap_hold=st.sampled_from([FlapHold(), FlapHold(seconds=20.0, count=2, window=60.0)]),
        latency=st.sampled_from([0.0, 0.02, 0.4]),
    )
    def start(self, seats: tuple[tuple[str, ...], ...], latency: float, **changes: Any) -> None:
        self.takeover, self.standby = changes["takeover"], changes["standby"]
        self.require_bgp = changes["require_bgp"]
        self.cluster = Cluster(seats, latency, self._look, **changes)
        self.good: set[int] = set()
        self.maintained: set[str] = set()
        self.cut: set[int] = set()
        self.known_at = 0.0
        self.last = self.cluster.served()
        for seat in range(len(seats)):
            self.start_or_kill(seat)

    @rule(seat=some_seat, refused=st.sampled_from([0, 0, 0, 1, 2]))
    def start_or_kill(self, seat: int, refused: int = 0) -> None:
        """Start a node, whose ExaBGP may refuse some of its VIPs, or kill it."""
        if seat in self.cluster.peers:
            self.good.discard(seat)
            self.cut.discard(seat)
            self.cluster.kill(seat)
        elif seat < len(self.cluster.seats):
            exabgp = ExaBGP(refused={prefix(vip) for vip in self.cluster.seats[seat][:refused]})
            self.cluster.start(seat, exabgp)
            self._check(seat, CheckResult.GOOD)
            self._settles_unseen()

    @rule(seat=some_seat)
    def restart_the_agent(self, seat: int) -> None:
        if seat in self.cluster.peers:
            self.cut.discard(seat)
            self.cluster.start(seat, self.cluster.kill(seat))
            self._check(seat, CheckResult.GOOD)
            self._settles_unseen()

    @rule(seat=some_seat, good=st.booleans())
    def check(self, seat: int, good: bool) -> None:
        self._check(seat, CheckResult.GOOD if good else CheckResult.BAD)
        self._let_all_see()

    @rule(name=st.sampled_from(["node0", "node1", "node2", WHOLE_SERVICE]))
    def maintain_or_not(self, name: str) -> None:
        self.maintained ^= {name}
        self.cluster.maintain(name, wanted=name in self.maintained)
        self._let_all_see()

    @rule(seat=some_seat, expired=st.booleans())
    def cut_or_mend(self, seat: int, expired: bool) -> None:
        if seat in self.cut:
            self.cut.discard(seat)
            self.cluster.peers[seat].backend.reconnect()
            self._settles_unseen()
        elif seat in self.cluster.peers:
            self.cut.add(seat)
            self.cluster.peers[seat].backend.disconnect()
            if expired:
                self.cluster.peers[seat].backend.expire()

    @precondition(lambda self: self.require_bgp)
    @rule(seat=some_seat)
    def bgp_goes_or_comes(self, seat: int) -> None:
        if seat in self.cluster.peers:
            self.cluster.peers[seat].bgp(established=not self.cluster.peers[seat].exabgp.established)
            self._let_all_see()

    @rule(seconds=st.sampled_from([0.01, 0.5, 2.1, 4.0, 7.0]))
    def wait(self, seconds: float) -> None:
        self.last = self.cluster.served()
        self.cluster.wait(seconds)

    @rule()
    def all_is_as_it_should_be(self) -> None:
        """In steady state all agree, and announce what the contract says (A2, A3, A4)."""
        self.wait(LONG)
        if not self.cut:
            expected = {vip: self._expected(vip) for seat in self.cluster.seats for vip in seat}
            assert self.cluster.served() == expected

    def teardown(self) -> None:
        if hasattr(self, "cluster"):
            self.all_is_as_it_should_be()
            SomeNodes.tried += self.cluster.events

    def _check(self, seat: int, result: CheckResult) -> None:
        if seat in self.cluster.peers:
            (self.good.add if result is CheckResult.GOOD else self.good.discard)(seat)
            self.cluster.peers[seat].give(inputs.CheckRan("apex", events.Checked(result)))

    def _settles_unseen(self) -> None:
        """With `one`, the others rely on a taker that has been restarted, though it settles first (L3)."""
        if self.takeover is Takeover.ONE:
            self.known_at = self.cluster.now + SETTLED

    def _let_all_see(self) -> None:
        """Until the others have heard that a node can serve no more, they may rely on it."""
        self.known_at = max(self.known_at, self.cluster.now + SEEN)
        self.wait(SEEN)

    def _able(self) -> list[int]:
        """Return the seats of those who could serve."""
        if WHOLE_SERVICE in self.maintained:
            return []
        return [
            seat
            for seat in self.good
            if f"node{seat}" not in self.maintained and self.cluster.peers[seat].exabgp.established
        ]

    def _expected(self, vip: str) -> dict[int, int]:
        members = {seat for seat in self._able() if set(self.cluster.seats[seat]) - self._refused(seat)}
        home = next(index for index, seat in enumerate(self.cluster.seats) if vip in seat)
        routes = {home: 100} if home in members and vip not in self._refused(home) else {}
        if not routes or self.standby is Standby.HOT:
            able = [seat for seat in order(self.cluster.seats, vip) if seat in self._able()]
            first = [seat for seat in able if seat in members]
            last = [seat for seat in able if seat not in members]
            match self.takeover:
                case Takeover.ALL:
                    routes |= dict.fromkeys(able, 200)
                case Takeover.ONE:
                    routes |= dict.fromkeys(first[:1] or last, 200)
                case Takeover.RANKED:
                    routes |= {seat: 200 + 100 * place for place, seat in enumerate(first)}
                    routes |= dict.fromkeys(last, 200 + 100 * len(first))
        return dict(sorted(routes.items()))

    def _refused(self, seat: int) -> set[str]:
        return {vip.removesuffix("/32") for vip in self.cluster.peers[seat].exabgp.refused}

    def _look(self) -> None:
        """Nobody who could go on serving a VIP leaves it without a route (G1, H1)."""
        now = self.cluster.served()
        if not self.cut and not self.cluster.dying and self.cluster.now > self.known_at:
            able = set(self._able())
            for vip, routes in now.items():
                assert routes or not able & set(self.last[vip]), f"{vip} is given up by {set(self.last[vip])}"
        self.last = now


@pytest.mark.slow
def test_some_nodes() -> None:
    SomeNodes.tried = 0
    run_state_machine_as_test(SomeNodes, settings=examples(400))
    assert SomeNodes.tried >= 40_000, SomeNodes.tried
