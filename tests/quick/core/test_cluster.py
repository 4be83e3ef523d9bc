"""Property tests of a cluster: under random faults the nodes agree, and no VIP is dropped needlessly."""

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
from tests.simulation.neighbor import NeighborSettings
from tests.simulation.node import prefix
from vipagent.core import events
from vipagent.core.preference import order
from vipagent.core.settings import FlapHold, ip_version
from vipagent.engine import inputs
from vipagent.store.layout import WHOLE_SERVICE
from vipagent.types import CheckResult, Standby, Takeover

POOLS = (
    (("10.0.0.1",), ("10.0.0.2",), ("10.0.0.3",)),
    (("10.0.0.1", "10.0.1.1"), ("10.0.0.2",), ("10.0.0.3", "10.0.1.3"), ("10.0.0.4",)),
    (("10.0.0.1",), ("10.0.0.2",)),
    (("10.0.0.1", "2001:db8::1"), ("10.0.0.2", "2001:db8::2"), ("2001:db8::3", "10.0.0.3")),
    (("10.0.0.1", "2001:db8::1"), ("10.0.0.2",), ("10.0.0.3", "2001:db8::3")),
)
CONVERGED = 45.0
"""Seconds until the cluster has converged."""
PROPAGATED = 1.0
"""Seconds until all nodes have seen an event."""
SETTLED = 9.0
"""Seconds until a restarted node takes over VIPs."""
FAMILIES = {4: "ipv4 unicast", 6: "ipv6 unicast"}
some_owner = st.integers(0, 3)


class ClusterMachine(RuleBasedStateMachine):
    """Nodes die, return, fail their checks, enter maintenance and lose the store, in any order."""

    handled = 0

    @initialize(
        owners=st.sampled_from(POOLS),
        takeover=st.sampled_from(Takeover),
        standby=st.sampled_from(Standby),
        require_bgp=st.sampled_from([0, 1]),
        flap_hold=st.sampled_from([FlapHold(), FlapHold(seconds=20.0, count=2, window=60.0)]),
        latency=st.sampled_from([0.0, 0.02, 0.4]),
    )
    def start(self, owners: tuple[tuple[str, ...], ...], latency: float, **changes: Any) -> None:
        self.takeover, self.standby = changes["takeover"], changes["standby"]
        self.require_bgp = changes["require_bgp"]
        self.cluster = Cluster(owners, latency, self._check_no_drop, **changes)
        self.good: set[int] = set()
        self.maintained: set[str] = set()
        self.disconnect: set[int] = set()
        self.propagated_at = 0.0
        self.last = self.cluster.served()
        for owner in range(len(owners)):
            self.start_or_kill(owner)

    @rule(
        owner=some_owner,
        refused=st.sampled_from([0, 0, 0, 1, 2]),
        without_ipv6=st.sampled_from(["", "", "family", "next hop"]),
    )
    def start_or_kill(self, owner: int, refused: int = 0, without_ipv6: str = "") -> None:
        """Start a node, whose ExaBGP may be unable to announce some of its VIPs or IPv6, or kill it."""
        if owner in self.cluster.peers:
            self.good.discard(owner)
            self.disconnect.discard(owner)
            self.cluster.kill(owner)
        elif owner < len(self.cluster.owners):
            rejected = set(self.cluster.owners[owner][:refused])
            if without_ipv6 == "next hop":  # 4.2 rejects such routes silently
                rejected |= {vip for vips in self.cluster.owners for vip in vips if ":" in vip}
            families = (FAMILIES[4],) if without_ipv6 == "family" else tuple(FAMILIES.values())
            exabgp = ExaBGP(
                settings=(NeighborSettings(configured=tuple(FAMILIES.values()), negotiated=families),),
                refused={prefix(vip) for vip in rejected},
                refuses_silently=without_ipv6 == "next hop",
            )
            self.cluster.start(owner, exabgp)
            self._check(owner, CheckResult.GOOD)
            self._expect_settling()

    @rule(owner=some_owner)
    def restart_the_agent(self, owner: int) -> None:
        if owner in self.cluster.peers:
            self.disconnect.discard(owner)
            self.cluster.start(owner, self.cluster.kill(owner))
            self._check(owner, CheckResult.GOOD)
            self._expect_settling()

    @rule(owner=some_owner, good=st.booleans())
    def check(self, owner: int, good: bool) -> None:
        self._check(owner, CheckResult.GOOD if good else CheckResult.BAD)
        self._propagate()

    @rule(name=st.sampled_from(["node0", "node1", "node2", WHOLE_SERVICE]))
    def toggle_maintenance(self, name: str) -> None:
        self.maintained ^= {name}
        self.cluster.maintain(name, enabled=name in self.maintained)
        self._propagate()

    @rule(owner=some_owner, expired=st.booleans())
    def cut_or_repair(self, owner: int, expired: bool) -> None:
        if owner in self.disconnect:
            self.disconnect.discard(owner)
            self.cluster.peers[owner].backend.reconnect()
            self._expect_settling()
        elif owner in self.cluster.peers:
            self.disconnect.add(owner)
            self.cluster.peers[owner].backend.disconnect()
            if expired:
                self.cluster.peers[owner].backend.expire()

    @precondition(lambda self: self.require_bgp)
    @rule(owner=some_owner)
    def toggle_bgp(self, owner: int) -> None:
        if owner in self.cluster.peers:
            self.cluster.peers[owner].set_bgp_session(
                established=not self.cluster.peers[owner].exabgp.established
            )
            self._propagate()

    @rule(seconds=st.sampled_from([0.01, 0.5, 2.1, 4.0, 7.0]))
    def wait(self, seconds: float) -> None:
        self.last = self.cluster.served()
        self.cluster.wait(seconds)

    @rule()
    def assert_converged(self) -> None:
        """After convergence all nodes announce what the contract requires (A2, A3, A4)."""
        self.wait(CONVERGED)
        if not self.disconnect:
            expected = {vip: self._expected(vip) for vips in self.cluster.owners for vip in vips}
            assert self.cluster.served() == expected

    def teardown(self) -> None:
        if hasattr(self, "cluster"):
            self.assert_converged()
            ClusterMachine.handled += self.cluster.events

    def _check(self, owner: int, result: CheckResult) -> None:
        if owner in self.cluster.peers:
            (self.good.add if result is CheckResult.GOOD else self.good.discard)(owner)
            self.cluster.peers[owner].handle(inputs.CheckRan("apex", events.CheckFinished(result)))

    def _expect_settling(self) -> None:
        """Allow for a restarted taker that settles first, on which the others rely with `one` (L3)."""
        if self.takeover is Takeover.ONE:
            self.propagated_at = self.cluster.now + SETTLED

    def _propagate(self) -> None:
        """Wait until the other nodes no longer rely on a node that cannot serve."""
        self.propagated_at = max(self.propagated_at, self.cluster.now + PROPAGATED)
        self.wait(PROPAGATED)

    def _able(self) -> list[int]:
        """Return the nodes that are able to serve."""
        if WHOLE_SERVICE in self.maintained:
            return []
        return [
            owner
            for owner in self.good
            if f"node{owner}" not in self.maintained and self.cluster.peers[owner].exabgp.established
        ]

    def _expected(self, vip: str) -> dict[int, int]:
        version = ip_version(vip)
        members = {
            owner
            for owner in self._able()
            if any(
                ip_version(own) == version and self._can_announce(owner, own)
                for own in self.cluster.owners[owner]
            )
        }
        home = next(index for index, owner in enumerate(self.cluster.owners) if vip in owner)
        routes = {home: 100} if home in members and self._can_announce(home, vip) else {}
        if not routes or self.standby is Standby.HOT:
            able = [
                owner
                for owner in order(self.cluster.owners, vip)
                if owner in self._able() and self._can_announce(owner, vip)
            ]
            first = [owner for owner in able if owner in members]
            last = [owner for owner in able if owner not in members]
            match self.takeover:
                case Takeover.ALL:
                    routes |= dict.fromkeys(able, 200)
                case Takeover.ONE:
                    routes |= dict.fromkeys(first[:1] or last, 200)
                case Takeover.RANKED:
                    routes |= {owner: 200 + 100 * place for place, owner in enumerate(first)}
                    routes |= dict.fromkeys(last, 200 + 100 * len(first))
        return dict(sorted(routes.items()))

    def _can_announce(self, owner: int, vip: str) -> bool:
        """Return whether the neighbour of a node can receive the route of a VIP."""
        exabgp = self.cluster.peers[owner].exabgp
        return (
            prefix(vip) not in exabgp.refused and FAMILIES[ip_version(vip)] in exabgp.settings[0].negotiated
        )

    def _check_no_drop(self) -> None:
        """Assert that no node able to serve a VIP leaves it without a route (G1, H1)."""
        now = self.cluster.served()
        if not self.disconnect and not self.cluster.dying and self.cluster.now > self.propagated_at:
            able = set(self._able())
            for vip, routes in now.items():
                assert routes or not able & set(self.last[vip]), (
                    f"{vip} is withdrawn by {set(self.last[vip])}"
                )
        self.last = now


@pytest.mark.slow
def test_cluster_under_random_faults() -> None:
    ClusterMachine.handled = 0
    run_state_machine_as_test(ClusterMachine, settings=examples(400))
    assert ClusterMachine.handled >= 40_000, ClusterMachine.handled
