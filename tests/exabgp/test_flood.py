"""A server with an endless response fails its own check, and affects nothing else (C1, E6, E7)."""

import time
from pathlib import Path

from tests.exabgp.box import OTHERS_ROUTE, boxes
from tests.servers.flood import flood
from tests.servers.process import wait_for

VIP, FLOODED_VIP = "10.20.255.1", "10.20.255.2"
WATCHDOG, GRACE_PERIOD = 2, 15
"""Watchdog timeout, and an agent's grace period, in seconds."""
MIN_CHECKS = 3
"""Minimum number of checks per service after the watchdog could have killed the agent."""


def count_checks(path: Path) -> int:
    """Return the number of lines that a check command has written."""
    return path.read_text().count("\n") if path.exists() else 0


def test_an_endless_response_fails_only_its_own_check(tmp_path: Path) -> None:
    with flood() as server, boxes(tmp_path) as both:
        for box in both:
            checks_file = box.store.with_name("checks")
            healthy = {"auth_ip": VIP, "rise": 1, "interval": 0.5, "command": f"echo >> {checks_file}"}
            flooded = {
                "auth_ip": FLOODED_VIP,
                "rise": 1,
                "interval": 0.5,
                "fall": 1,
                "check": f"http://{server.address}/",
            }
            box.configure({"apex": healthy, "flooded": flooded}, watchdog=WATCHDOG)
            checks_file.touch()
            checks_file.chmod(0o666)
            box.launch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, VIP: 100})
            box.wait_for_log("no final status in the first ")
        pids = [box.pid() for box in both]
        since = time.monotonic()
        wait_for(
            "the watchdog of each agent could have expired",
            lambda: time.monotonic() > since + GRACE_PERIOD + WATCHDOG,
            60,
        )
        checks_before = [count_checks(box.store.with_name("checks")) for box in both]
        connections = server.connections
        for box, before in zip(both, checks_before, strict=True):
            box.wait_until(
                "the checks of the other service continue",
                lambda: count_checks(box.store.with_name("checks")) >= before + MIN_CHECKS,  # noqa: B023
            )
        wait_for(
            "the checks of the flooded service continue",
            lambda: server.connections >= connections + MIN_CHECKS,
        )
        for box in both:
            assert box.table() == {OTHERS_ROUTE: None, VIP: 100}
        assert [box.pid() for box in both] == pids
