"""Towards iBGP neighbours the rank is the local preference, towards eBGP neighbours the AS path (N10)."""

import os
import signal
from pathlib import Path

import pytest

from tests.exabgp.box import OTHERS_ROUTE, Box, boxes
from tests.servers import bird

OWN, ORPHAN = "10.20.255.1", "10.20.255.2"
ASN = bird.ASN + 1
"""The load balancer's AS number."""
SERVICE = {
    "auth_ip": OWN,
    "vip": [OWN, ORPHAN],
    "local_as": ASN,
    "prepend": 1,
    "rise": 1,
    "interval": 1,
    "settle": 0,
}
EBGP, IBGP = 0, 1
"""The switches."""

Attributes = tuple[int | None, tuple[int, ...], int | None]
"""MED, AS path and local preference, 100 for every route of an eBGP neighbour."""
PREPENDED: dict[str, Attributes] = {OWN: (100, (ASN,), 100), ORPHAN: (200, (ASN, ASN), 100)}
LOWERED: dict[str, Attributes] = {OWN: (100, (), 100), ORPHAN: (200, (), 90)}


def attributes(switch: bird.Bird) -> dict[str, Attributes]:
    """Return the routes of the VIPs at a switch."""
    return {
        vip: (routes[0].med, routes[0].as_path, routes[0].local_preference)
        for prefix, routes in switch.routes().items()
        if (vip := prefix.partition("/")[0]) != OTHERS_ROUTE
    }


def wait_for_each_kind(box: Box, ebgp: dict[str, Attributes], ibgp: dict[str, Attributes]) -> None:
    """Wait until each switch has the routes with the attributes of its kind."""
    for number, expected in ((EBGP, ebgp), (IBGP, ibgp)):
        switch = box.switches[number]
        box.wait_until(
            f"switch {number} has {expected}",
            lambda: attributes(switch) == expected,  # noqa: B023
            within=20,
        )


def removed(switch: bird.Bird) -> list[str]:
    """Return the VIPs that a switch has ever lost."""
    return [change.prefix for change in switch.changes() if not change.added]


def test_an_ibgp_neighbour_accepts_a_takeover_route(tmp_path: Path) -> None:
    with boxes(tmp_path, switch_asns=(ASN,)) as both:
        for box in both:
            box.configure({"apex": SERVICE})
            box.launch()
        for box in both:
            box.wait_until("it has both", lambda: attributes(box.switch) == LOWERED, 20)  # noqa: B023
            assert removed(box.switch) == []


def test_a_neighbour_of_another_as_gets_the_longer_path(tmp_path: Path) -> None:
    with boxes(tmp_path) as both:
        for box in both:
            box.configure({"apex": SERVICE})
            box.launch()
        for box in both:
            box.wait_until("it has both", lambda: attributes(box.switch) == PREPENDED, 20)  # noqa: B023


@pytest.mark.parametrize("local_as", [True, False], ids=["prepend", "without local_as"])
def test_each_kind_of_neighbour_gets_its_own_attributes(tmp_path: Path, local_as: bool) -> None:
    ranked = {name: value for name, value in SERVICE.items() if name not in {"local_as", "prepend"}}
    ebgp = PREPENDED if local_as else PREPENDED | {ORPHAN: (200, (ASN,), 100)}
    lowered = LOWERED | {ORPHAN: (200, (), 60)}
    with boxes(tmp_path, switch_asns=(bird.ASN, ASN)) as both:
        for box in both:
            box.configure({"apex": SERVICE if local_as else ranked})
            box.launch()
        for box in both:
            wait_for_each_kind(box, ebgp, LOWERED)
            box.configure({"apex": {**(SERVICE if local_as else ranked), "local_preference_step": 40}})
            box.reload()
        for box in both:
            wait_for_each_kind(box, ebgp, lowered)
            box.configure({"apex": {**(SERVICE if local_as else ranked), "vip": OWN}})
            assert [removed(switch) for switch in box.switches] == [[], []]
            box.reload()
        for box in both:
            wait_for_each_kind(box, {OWN: PREPENDED[OWN]}, {OWN: LOWERED[OWN]})
            assert "rejected" not in box.agent_log()


def test_a_restarted_agent_keeps_the_routes_of_each_kind(tmp_path: Path) -> None:
    """It sends no loop, which would replace the route of the previous agent at the iBGP neighbour."""
    with boxes(tmp_path, switch_asns=(bird.ASN, ASN)) as both:
        for box in both:
            box.configure({"apex": SERVICE})
            box.launch()
        for box in both:
            wait_for_each_kind(box, PREPENDED, LOWERED)
            os.kill(box.pid(), signal.SIGKILL)
        for box in both:
            box.wait_for_log(f"announce service=apex vip={ORPHAN}", count=2, within=20)
            wait_for_each_kind(box, PREPENDED, LOWERED)
            assert [removed(switch) for switch in box.switches] == [[], []]


def test_a_neighbour_whose_kind_becomes_known_late_costs_no_route(tmp_path: Path) -> None:
    """ExaBGP gets its iBGP neighbour by a reload, after the routes have been announced to all neighbours."""
    with boxes(tmp_path, switch_asns=(bird.ASN, ASN)) as both:
        complete = {}
        for box in both:
            conf = box.exabgp.directory / "exabgp.conf"
            complete[conf] = conf.read_text()
            conf.write_text(complete[conf].rpartition("neighbor ")[0])
            box.configure({"apex": SERVICE})
            box.launch()
        for box in both:
            box.wait_until("it has both", lambda: attributes(box.switch) == PREPENDED, 20)  # noqa: B023
            conf = box.exabgp.directory / "exabgp.conf"
            conf.write_text(complete[conf])
            box.exabgp.process.signal(signal.SIGUSR1)
        for box in both:
            wait_for_each_kind(box, PREPENDED, LOWERED)
            assert [removed(switch) for switch in box.switches] == [[], []]
            box.switches[IBGP].disable("node1")
        for box in both:
            box.wait_for_log("established=False")
            box.switches[IBGP].enable("node1")
        for box in both:
            wait_for_each_kind(box, PREPENDED, LOWERED)
            assert removed(box.switches[EBGP]) == []


def test_a_kind_of_neighbour_that_takes_no_commands_of_the_agent_refuses_no_route(tmp_path: Path) -> None:
    """The `api` block of the iBGP neighbour names only another process."""
    with boxes(tmp_path, switch_asns=(bird.ASN, ASN)) as both:
        for box in both:
            conf = box.exabgp.directory / "exabgp.conf"
            before, separator, last = conf.read_text().rpartition("neighbor ")
            assert "processes [ agent other ]" in last
            conf.write_text(before + separator + last.replace("[ agent other ]", "[ other ]"))
            box.configure({"apex": SERVICE})
            box.launch()
        for box in both:
            box.wait_for_log("for one kind of neighbour (check their `api` blocks), will retry", within=30)
            wait_for_each_kind(box, PREPENDED, {})
            assert "reason=refused" not in box.agent_log()
            assert removed(box.switches[EBGP]) == []
