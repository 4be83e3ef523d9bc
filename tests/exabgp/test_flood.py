"""A server with an endless response fails its own check, and affects nothing else (C1, E6, E7)."""

import time
from pathlib import Path

from tests.exabgp.box import OTHERS_ROUTE, boxes
from tests.servers.flood import flood
from tests.servers.process import wait_for

VIP, SICK = "10.20.255.1", "10.20.255.2"
WATCHDOG, YOUNG = 2, 15
"""Watchdog timeout, and an agent's grace period, in seconds."""
OFTEN = 3
"""Minimum number of checks per service after the watchdog could have ended the agent."""


def checks(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def test_a_check_that_is_flooded_is_bad_and_the_other_service_continues(tmp_path: Path) -> None:
    with flood() as server, boxes(tmp_path) as both:
        for box in both:
            ran = box.store.with_name("ran")
            well = {"auth_ip": VIP, "rise": 1, "interval": 0.5, "command": f"echo >> {ran}"}
            sick = {
                "auth_ip": SICK,
                "rise": 1,
                "interval": 0.5,
                "fall": 1,
                "check": f"http://{server.address}/",
            }
            box.configure({"apex": well, "sick": sick}, watchdog=WATCHDOG)
            ran.touch()
            ran.chmod(0o666)
            box.launch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, VIP: 100})
            box.wait_to_hear("no final status in the first ")
        pids = [box.pid() for box in both]
        since = time.monotonic()
        wait_for("all are older than their watchdog", lambda: time.monotonic() > since + YOUNG + WATCHDOG, 60)
        ran_before = [checks(box.store.with_name("ran")) for box in both]
        asked = server.connections
        for box, before in zip(both, ran_before, strict=True):
            box.wait_until(
                "it goes on with its checks",
                lambda: checks(box.store.with_name("ran")) >= before + OFTEN,  # noqa: B023
            )
        wait_for("and with those of the sick service", lambda: server.connections >= asked + OFTEN)
        for box in both:
            assert box.table() == {OTHERS_ROUTE: None, VIP: 100}
        assert [box.pid() for box in both] == pids
