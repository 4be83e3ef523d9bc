"""Without `prepend`, ORIGIN orders the routes past the first switch, where MED is gone (A3)."""

from collections.abc import Iterator

import pytest

from tests.lab import plan
from tests.lab.lab import Lab, begin
from tests.lab.plan import Standby, Tor
from tests.lab.side_by_side import unique
from tests.lab.switches import BirdSwitch


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = begin(unique(Standby.NO_PREPEND, Tor.BIRD))
    yield lab
    lab.down()
    assert not lab.network.exists()
    assert not lab.directory.exists()


def test_each_vip_is_served_by_its_owner(lab: Lab) -> None:
    lab.wait_until("each owner serves", lambda: lab.probes.serving() == plan.OWNERS)


def test_past_the_first_switch_the_med_is_gone_and_the_paths_are_equally_long(lab: Lab) -> None:
    lab.wait_until("agg1 knows all paths", lambda: all(len(ways) == 3 for ways in lab.paths().values()))
    for vip, ways in lab.paths().items():
        assert len(set(ways.values())) == 1, vip
    agg1, tor1 = lab.switches["agg1"], lab.switches["tor1"]
    assert isinstance(agg1, BirdSwitch)
    assert isinstance(tor1, BirdSwitch)
    own, other = "10.20.255.1/32", "10.20.255.2/32"
    best, *others = agg1.routes()[own]
    assert (best.peer, best.origin, best.med) == ("tor1", "IGP", None)
    assert {(route.origin == "IGP", route.med) for route in others} == {(False, None)}
    routes = tor1.routes()
    from_lb1 = {
        prefix: (route.med or 0, route.origin)
        for prefix in (own, other)
        for route in routes[prefix]
        if route.peer == "lb1"
    }
    assert from_lb1[own] == (100, "IGP")
    assert from_lb1[other] in {(200, "EGP"), (300, "Incomplete")}
