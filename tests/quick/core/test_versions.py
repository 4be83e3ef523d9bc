"""A node is relied on only for orphans of an IP version that it announces (A2, N10)."""

import pytest

from tests.quick.core.cluster import Cluster
from tests.quick.core.test_cluster import CONVERGED, FAMILIES
from tests.simulation.exabgp import ExaBGP
from tests.simulation.neighbor import NeighborSettings
from tests.simulation.node import prefix
from vipagent.core.events import CheckFinished
from vipagent.core.preference import order
from vipagent.engine import inputs
from vipagent.types import CheckResult

DUAL = tuple((f"10.0.0.{node}", f"2001:db8::{node}") for node in range(1, 5))
"""Each node owns a VIP of each version."""
BOTH, ONLY_IPV4 = tuple(FAMILIES.values()), (FAMILIES[4],)
ORPHAN, ORPHAN_IPV4 = DUAL[0][1], DUAL[0][0]


def exabgp(*, fault: str = "") -> ExaBGP:
    """Return an ExaBGP with a neighbour; with a fault, it cannot announce IPv6."""
    return ExaBGP(
        settings=(NeighborSettings(configured=BOTH, negotiated=ONLY_IPV4 if fault == "family" else BOTH),),
        refused={prefix(vip) for _, vip in DUAL} if fault == "refused" else set(),
        refuses_silently=True,
    )


@pytest.mark.parametrize("fault", ["family", "refused"])
@pytest.mark.parametrize("takeover", ["one", "ranked"])
def test_an_orphan_is_not_left_to_a_node_that_cannot_announce_its_version(takeover: str, fault: str) -> None:
    first, *others = order(DUAL, ORPHAN)
    cluster = Cluster(DUAL, takeover=takeover)
    for owner in (first, *others):
        cluster.start(owner, exabgp(fault=fault if owner == first else ""))
        cluster.peers[owner].handle(inputs.CheckRan("apex", CheckFinished(CheckResult.GOOD)))
    cluster.wait(CONVERGED)
    served = cluster.served()
    ranked = {owner: 200 + 100 * place for place, owner in enumerate(others)}
    assert served[ORPHAN] == (ranked if takeover == "ranked" else {others[0]: 200})
    assert next(iter(order(DUAL, ORPHAN_IPV4))) in served[ORPHAN_IPV4], "IPv4 is left to it as before"
    assert served[DUAL[first][1]] != {}, "its own IPv6 VIP is served by others"


def test_a_version_that_no_survivor_owns_is_announced_by_all() -> None:
    """Nothing shows which of them can, so nobody waits for another."""
    owners = (("10.0.0.1", "2001:db8::1"), ("10.0.0.2",), ("10.0.0.3",))
    cluster = Cluster(owners, takeover="one")
    for owner in (1, 2):
        cluster.start(owner, exabgp())
        cluster.peers[owner].handle(inputs.CheckRan("apex", CheckFinished(CheckResult.GOOD)))
    cluster.wait(CONVERGED)
    assert cluster.served()["2001:db8::1"] == {1: 200, 2: 200}
    assert len(cluster.served()["10.0.0.1"]) == 1
