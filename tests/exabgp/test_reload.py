"""SIGHUP: another configuration, without a touch of the routes that stay the same (E3)."""

import time
from collections.abc import Iterator

import pytest

from tests.exabgp.box import OTHERS_ROUTE, Box, Services, boxes

SAME, DEARER, GONE, NEW = (f"10.20.255.{number}" for number in (1, 2, 3, 4))
CHECKED = {"rise": 1, "command": "true", "interval": 0.3}
START = {
    "same": {"auth_ip": SAME, **CHECKED},
    "dearer": {"auth_ip": DEARER, **CHECKED},
    "gone": {"auth_ip": GONE, **CHECKED},
}
STARTED = {OTHERS_ROUTE: None, SAME: 100, DEARER: 100, GONE: 100}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Box]]:
    with boxes(tmp_path_factory.mktemp("boxes")) as both:
        for box in both:
            box.configure(START)
            box.launch()
        for box in both:  # an agent that is told to reload while it starts dies of it, like any program
            box.wait_for(STARTED)
        yield both


@pytest.fixture
def both(running: list[Box]) -> Iterator[list[Box]]:
    """A load balancer of each version, with the services of `START`; no agent may end in the meantime."""
    reload_all(running, START)
    for box in running:
        box.wait_for(STARTED)
    pids = [box.pid() for box in running]
    yield running
    assert [box.pid() for box in running] == pids


def reload_all(both: list[Box], services: Services, **top: object) -> None:
    for box in both:
        box.configure(services, **top)
        box.reload()


def test_what_stays_the_same_is_not_touched(both: list[Box]) -> None:
    since = time.time()
    dearer, new = {**START["dearer"], "med": 300}, {"auth_ip": NEW, **CHECKED}
    reload_all(both, {"same": START["same"], "dearer": dearer, "new": new})
    for box in both:
        box.wait_for({OTHERS_ROUTE: None, SAME: 100, DEARER: 300, NEW: 100})
        changes = {(change.prefix, change.added) for change in box.switch.changes(since)}
        assert changes == {(f"{DEARER}/32", True), (f"{GONE}/32", False), (f"{NEW}/32", True)}


def test_what_cannot_be_used_is_rejected_and_the_old_stays_in_force(both: list[Box]) -> None:
    since = time.time()
    reload_all(both, {**START, "same": {"auth_ip": "10.0.0.300"}})
    for box in both:
        box.wait_to_hear("services.same.auth_ip: '10.0.0.300' is not a valid IP address")
    reload_all(both, {"same": START["same"]}, node="node2")
    for box in both:
        box.wait_to_hear("the node's name and the store's options change only with a restart")
        assert box.said().count("reload failed, keeping the current configuration: ") == 2, box.said()
        assert (box.table(), box.switch.changes(since)) == (STARTED, [])


def test_a_route_whose_path_identifier_changes_leaves_no_other_behind(both: list[Box]) -> None:
    """To ExaBGP it is another route: announcing it replaces nothing."""
    reload_all(both, {**START, "same": {**START["same"], "path_id": 7, "med": 7}})
    for box in both:
        box.wait_until("one route is left", lambda: meds(box) == [7])  # noqa: B023


def meds(box: Box) -> list[int | None]:
    return [route.med for route in box.switch.routes().get(f"{SAME}/32", [])]


def test_services_may_swap_their_vips(both: list[Box]) -> None:
    swapped = {"same": {**START["gone"], "med": 7}, "gone": {**START["same"], "med": 8}}
    reload_all(both, {**START, **swapped})
    for box in both:
        box.wait_for({OTHERS_ROUTE: None, GONE: 7, SAME: 8, DEARER: 100})
