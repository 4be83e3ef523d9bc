"""Routes that an earlier run has left: a new configuration, and the agent killed before a reload (E2)."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exabgp.box import OTHERS_ROUTE, Box, Services, boxes
from tests.exabgp.lab import SWITCH
from tests.servers.process import wait_for
from vipagent.agent.route_record import decode
from vipagent.engine.leftovers import CONFIRM_DELAY
from vipagent.exabgp.table import RouteIdentity

KEPT, REMOVED = "10.20.255.1", "10.20.255.2"
CHECKED = {"rise": 1, "command": "true", "interval": 0.3}
KEPT_SERVICE = {"auth_ip": KEPT, **CHECKED}
BEFORE: Services = {"kept": KEPT_SERVICE, "removed": {"auth_ip": REMOVED, **CHECKED}}
TABLE = {OTHERS_ROUTE: None, KEPT: 100, REMOVED: 100}
OTHER_NEIGHBOR = "127.0.0.109"
"""There is no answer."""
PATIENCE = 5.0
"""Seconds in which a leftover would have been withdrawn."""


@pytest.fixture
def both(tmp_path: Path) -> Iterator[list[Box]]:
    """Both load balancers announce the routes of `BEFORE`."""
    with boxes(tmp_path) as both:
        start(both)
        yield both


def start(both: list[Box]) -> None:
    for box in both:
        box.configure(BEFORE)
        box.launch()
    for box in both:
        box.wait_for(TABLE)
        box.wait_until("it has registered", lambda: box.agent_log().count(" register ") >= len(BEFORE))  # noqa: B023


def restart(both: list[Box], services: Services) -> None:
    """Replace the configuration, and kill the agents, which ExaBGP starts again."""
    for box in both:
        box.configure(services)
        killed = box.pid()
        os.kill(killed, signal.SIGKILL)
        wait_for("a new agent is running", lambda: box.pid() != killed)  # noqa: B023


def records(box: Box) -> list[Path]:
    return list((box.exabgp.directory / "state").glob("routes-node1-*.json"))


def wait_for_record(box: Box, *identities: RouteIdentity) -> None:
    """Wait until the record has exactly these routes."""
    (record,) = records(box)
    expected, clean = set(identities), CONFIRM_DELAY + 20
    box.wait_until("the record is clean", lambda: decode(record.read_bytes()).identities == expected, clean)


def meds(box: Box, vip: str = KEPT) -> list[int | None]:
    """Return the MEDs of all routes of a VIP."""
    return sorted((route.med for route in box.switch.routes().get(f"{vip}/32", [])), key=repr)


def numbers_of_routes(box: Box, since: float, vip: str = KEPT) -> list[int]:
    """Return how many routes the VIP had after each change, one at the beginning."""
    numbers = [1]
    for change in box.switch.changes(since):
        if change.prefix == f"{vip}/32":
            numbers.append(numbers[-1] + (1 if change.added else -1))
    return numbers


def test_a_removed_service_leaves_no_route_and_others_keep_theirs(both: list[Box]) -> None:
    since = time.time()
    restart(both, {"kept": KEPT_SERVICE})
    for box in both:
        box.wait_for({OTHERS_ROUTE: None, KEPT: 100})
        box.wait_for_log("withdrawing routes that an earlier configuration has left in ExaBGP")
        changes = {(change.prefix, change.added) for change in box.switch.changes(since)}
        assert changes == {(f"{REMOVED}/32", False)}
        wait_for_record(box, RouteIdentity(f"{KEPT}/32"))


def test_a_vip_that_left_the_pool_leaves_no_route(both: list[Box]) -> None:
    """Twice: the record also serves runs that were killed before they could do anything."""
    restart(both, {"moved": {"auth_ip": "10.20.255.3", **CHECKED, "rise": 1000}})
    restart(both, {"moved": {"auth_ip": "10.20.255.3", **CHECKED}})
    for box in both:
        box.wait_for({OTHERS_ROUTE: None, "10.20.255.3": 100})


def test_a_changed_path_identifier_leaves_no_moment_without_a_route(both: list[Box]) -> None:
    for path_id, med in ((7, 7), (0, 8)):
        since, before = time.time(), [meds(box) for box in both]
        restart(both, {**BEFORE, "kept": {**KEPT_SERVICE, "path_id": path_id, "med": med}})
        for box, earlier in zip(both, before, strict=True):
            box.wait_until(f"only the new route of {earlier} is left", lambda: meds(box) == [med])  # noqa: B023
            assert numbers_of_routes(box, since) == [1, 2, 1]


def test_a_removed_path_identifier_zero_is_withdrawn_and_the_new_route_stays(both: list[Box]) -> None:
    """On the wire both are the same."""
    restart(both, {**BEFORE, "kept": {**KEPT_SERVICE, "path_id": 0, "med": 7}})
    for box in both:
        box.wait_until("it is announced", lambda: meds(box) == [7])  # noqa: B023
    restart(both, {**BEFORE, "kept": {**KEPT_SERVICE, "med": 8}})
    for box in both:
        wait_for_record(box, RouteIdentity(f"{KEPT}/32"), RouteIdentity(f"{REMOVED}/32"))
        box.wait_until("the new route is announced", lambda: meds(box) == [8])  # noqa: B023
    time.sleep(2)
    assert [meds(box) for box in both] == [[8], [8]]


def test_a_changed_path_identifier_without_add_path(tmp_path: Path) -> None:
    """The neighbour takes both for one route, which the withdrawal removes: it is announced again at once."""
    with boxes(tmp_path) as both:
        for box in both:
            conf = box.exabgp.directory / "exabgp.conf"
            conf.write_text(conf.read_text().replace("add-path send;", "add-path disable;"))
        start(both)
        restart(both, {**BEFORE, "kept": {**KEPT_SERVICE, "path_id": 7, "med": 7}})
        for box in both:
            box.wait_for_log("withdrawing routes that an earlier configuration has left in ExaBGP")
            wait_for_record(box, RouteIdentity(f"{KEPT}/32", 7), RouteIdentity(f"{REMOVED}/32"))
            box.wait_until("the new route is announced", lambda: meds(box) == [7])  # noqa: B023
            changes = [change for change in box.switch.changes() if change.prefix == f"{KEPT}/32"]
            down, up = ([change.at for change in changes if change.added is added] for added in (False, True))
            assert all(any(0 <= later - at < 1 for later in up) for at in down)


def test_a_neighbour_that_is_not_named_any_more_loses_the_route(tmp_path: Path) -> None:
    with boxes(tmp_path) as both:
        for box in both:
            conf = box.exabgp.directory / "exabgp.conf"
            block = conf.read_text().partition("neighbor ")[2].replace(SWITCH, OTHER_NEIGHBOR)
            conf.write_text(f"{conf.read_text()}neighbor {block}")
        start(both)
        restart(both, {**BEFORE, "kept": {**KEPT_SERVICE, "neighbor": [OTHER_NEIGHBOR]}})
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, REMOVED: 100})
        restart(both, BEFORE)
        for box in both:
            box.wait_for(TABLE)


@pytest.mark.parametrize("loss", ["missing directory", "corrupted record"])
def test_without_a_record_only_routes_of_the_pool_are_ours(tmp_path: Path, loss: str) -> None:
    missing = {"STATE_DIRECTORY": str(tmp_path / "missing")} if loss == "missing directory" else {}
    with boxes(tmp_path / "boxes", environment=missing) as both:
        start(both)
        for box in both:
            for record in records(box):
                record.write_text('{"version": 1, "routes": [{"path_id"')
        restart(both, {"kept": {**KEPT_SERVICE, "path_id": 7, "med": 7}})
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, KEPT: 7, REMOVED: 100})
            box.wait_until("only the new route is left", lambda: meds(box) == [7])  # noqa: B023
            text = "WARNING state directory" if missing else "WARNING ignoring"
            assert box.agent_log().count(text) == (2 if missing else 1), "once per start"
        time.sleep(PATIENCE)
        for box in both:
            assert box.table() == {OTHERS_ROUTE: None, KEPT: 7, REMOVED: 100}
