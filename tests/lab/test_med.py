"""MED is compared only by the first switch, so it is not sufficient without `prepend`."""

from collections.abc import Iterator

import pytest

from tests.lab import plan
from tests.lab.lab import Lab, begin
from tests.lab.plan import Standby, Tor
from tests.lab.side_by_side import unique
from tests.lab.switches import BirdSwitch


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = begin(unique(Standby.MED_ALONE, Tor.BIRD))
    yield lab
    lab.down()
    assert not lab.network.exists()
    assert not lab.directory.exists()


def test_with_med_alone_all_vips_land_on_one_node_though_each_has_its_owner(lab: Lab) -> None:
    serving: set[str] = set()

    def on_one() -> bool:
        serving.clear()
        serving.update(lab.probes.serving().values())
        return len(serving) == 1 and "" not in serving

    lab.wait_until("all VIPs are served by one node", on_one)
    assert serving < set(plan.VIPS)


def test_past_the_first_switch_the_med_is_gone_and_the_paths_are_equally_long(lab: Lab) -> None:
    lab.wait_until("agg1 knows all paths", lambda: all(len(ways) == 3 for ways in lab.paths().values()))
    for vip, ways in lab.paths().items():
        assert len(set(ways.values())) == 1, vip
    agg1, tor1 = lab.switches["agg1"], lab.switches["tor1"]
    assert isinstance(agg1, BirdSwitch)
    assert isinstance(tor1, BirdSwitch)
    own, other = "10.20.255.1/32", "10.20.255.2/32"
    assert {route.med for route in agg1.routes()[own]} == {None}
    routes = tor1.routes()
    meds = {
        prefix: route.med or 0 for prefix in (own, other) for route in routes[prefix] if route.peer == "lb1"
    }
    assert meds[own] == 100
    assert meds[other] > 100
