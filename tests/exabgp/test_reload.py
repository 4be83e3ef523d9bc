"""SIGHUP: another configuration, without changes of unchanged routes (E3)."""

import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.exabgp.box import OTHERS_ROUTE, Box, Services, boxes
from tests.exabgp.lab import agent

UNCHANGED, CHANGED, REMOVED, ADDED = (f"10.20.255.{number}" for number in (1, 2, 3, 4))
CHECKED = {"rise": 1, "command": "true", "interval": 0.3}
INITIAL = {
    "unchanged": {"auth_ip": UNCHANGED, **CHECKED},
    "changed": {"auth_ip": CHANGED, **CHECKED},
    "removed": {"auth_ip": REMOVED, **CHECKED},
}
RELOADED = " INFO reloaded"
INITIAL_TABLE = {OTHERS_ROUTE: None, UNCHANGED: 100, CHANGED: 100, REMOVED: 100}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Box]]:
    with boxes(tmp_path_factory.mktemp("boxes")) as both:
        for box in both:
            box.configure(INITIAL)
            box.launch()
        for box in both:  # before its start is complete, SIGHUP would terminate the agent
            box.wait_for(INITIAL_TABLE)
        yield both


@pytest.fixture
def both(running: list[Box]) -> Iterator[list[Box]]:
    """Reset both load balancers to the services of `INITIAL`; afterwards, assert that no agent has exited."""
    reloads = [box.agent_log().count(RELOADED) for box in running]
    reload_all(running, INITIAL)
    for box, before in zip(running, reloads, strict=True):
        box.wait_for_log(RELOADED, before + 1)
        box.wait_for(INITIAL_TABLE)
    pids = [box.pid() for box in running]
    yield running
    assert [box.pid() for box in running] == pids


def reload_all(both: list[Box], services: Services, **options: object) -> None:
    """Write a configuration and reload it, on both load balancers."""
    for box in both:
        box.configure(services, **options)
        box.reload()


def test_a_reload_does_not_touch_unchanged_routes(both: list[Box]) -> None:
    since = time.time()
    changed, added = {**INITIAL["changed"], "med": 300}, {"auth_ip": ADDED, **CHECKED}
    reload_all(both, {"unchanged": INITIAL["unchanged"], "changed": changed, "added": added})
    for box in both:
        box.wait_for({OTHERS_ROUTE: None, UNCHANGED: 100, CHANGED: 300, ADDED: 100})
        changes = {(change.prefix, change.added) for change in box.switch.changes(since)}
        assert changes == {(f"{CHANGED}/32", True), (f"{REMOVED}/32", False), (f"{ADDED}/32", True)}


def test_an_invalid_configuration_is_rejected_and_the_current_one_kept(both: list[Box]) -> None:
    since = time.time()
    reload_all(both, {**INITIAL, "unchanged": {"auth_ip": "10.0.0.300"}})
    for box in both:
        box.wait_for_log("services.unchanged.auth_ip: '10.0.0.300' is not a valid IP address")
        first = f"{box.file}: services.unchanged.auth_ip: '10.0.0.300' is not a valid IP address"
        box.wait_until("it says why", lambda: first in problems(box).get("config-refused", ""))  # noqa: B023
    reload_all(both, {"unchanged": INITIAL["unchanged"]}, node="node2")
    for box in both:
        box.wait_for_log("the node's name and the store's options change only with a restart")
        assert box.agent_log().count("reload failed, keeping the current configuration: ") == 2, (
            box.agent_log()
        )
        assert (box.table(), box.switch.changes(since)) == (INITIAL_TABLE, [])
        box.wait_until("the status shows it", lambda: {*problems(box)} == {"config-refused"})  # noqa: B023
    reload_all(both, INITIAL)
    for box in both:
        box.wait_until("the problem is gone", lambda: problems(box) == {})  # noqa: B023


def problems(box: Box) -> dict[str, str]:
    """Return what the node has published about each problem, by reason."""
    command = agent("status", "unchanged", "--json", "--backend", "file", "--hosts", str(box.store))
    [status] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {problem["reason"]: problem["what"] for problem in status["problems"]}


def test_a_changed_path_identifier_leaves_no_stale_route(both: list[Box]) -> None:
    """For ExaBGP it is another route: announcing it does not replace the earlier one."""
    reload_all(both, {**INITIAL, "unchanged": {**INITIAL["unchanged"], "path_id": 7, "med": 7}})
    for box in both:
        box.wait_until("only the new route is left", lambda: meds(box) == [7])  # noqa: B023


def meds(box: Box) -> list[int | None]:
    """Return the MEDs of all routes of the unchanged VIP."""
    return [route.med for route in box.switch.routes().get(f"{UNCHANGED}/32", [])]


def test_services_may_swap_their_vips(both: list[Box]) -> None:
    swapped = {"unchanged": {**INITIAL["removed"], "med": 7}, "removed": {**INITIAL["unchanged"], "med": 8}}
    reload_all(both, {**INITIAL, **swapped})
    for box in both:
        box.wait_for({OTHERS_ROUTE: None, REMOVED: 7, UNCHANGED: 8, CHANGED: 100})
