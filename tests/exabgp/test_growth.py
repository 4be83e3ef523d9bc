"""A pool of a thousand VIPs whose owners have failed: the last node serves all of them (E7)."""

import os
import re
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.exabgp.box import OTHERS_ROUTE, Box, boxes

OWNERS = 1000
MAX_CPU = 6.0
"""Maximum CPU time of the agent in seconds, from its start until the last route is announced."""
ROUTES_TIMEOUT = 240.0
"""Timeout in seconds for a thousand routes in ExaBGP, also on a busy machine."""
SETTLE = 2
TICKS = os.sysconf("SC_CLK_TCK")


def vip(number: int) -> str:
    """Return the VIP of an owner."""
    return str(ip_address("10.30.0.0") + number)


def configure(box: Box, takeover: str) -> None:
    """Configure a service with one VIP per owner."""
    pool = {f"node{number}": vip(number) for number in range(1, OWNERS + 1)}
    service = {"auth_ip": pool["node1"], "vip": pool, "takeover": takeover, "rise": 1, "settle": SETTLE}
    box.configure({"apex": service})


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / TICKS


def count_routes(box: Box) -> int:
    """Return the number of routes of the switch."""
    found = re.search(r"(\d+) of \d+ routes", box.switch.ask("show route count"))
    return int(found[1]) if found else 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("takeover", ["ranked", "one", "all"])
def test_the_last_of_a_thousand_nodes_takes_over_all_vips(tmp_path: Path, takeover: str) -> None:
    all_vips = {OTHERS_ROUTE} | {vip(number) for number in range(1, OWNERS + 1)}
    with boxes(tmp_path) as both:
        for box in both:
            configure(box, takeover)
            box.launch()
            box.wait_until("ExaBGP is up", lambda: count_routes(box) >= 1, ROUTES_TIMEOUT)  # noqa: B023
            pid = box.pid()
            box.wait_until(
                "all routes are announced, or the agent has exited",
                lambda: count_routes(box) == len(all_vips) or pid not in box.exabgp.children(),  # noqa: B023
                ROUTES_TIMEOUT,
            )
            cpu_used = cpu_seconds(pid)
            assert box.pid() == pid, f"the agent has exited:\n{box.agent_log()[-5000:]}"
            assert box.table().keys() == all_vips
            assert cpu_used < MAX_CPU
            box.wait_for_log("register service=apex")
            box.stop()
