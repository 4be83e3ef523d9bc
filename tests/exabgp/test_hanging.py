"""An agent that hangs is ended by its watchdog and restarted (E7)."""

import time
from pathlib import Path

from tests.exabgp import debugger
from tests.exabgp.box import OTHERS_ROUTE, Box, boxes
from tests.outside import environment, install

VIP = "10.20.255.1"
WATCHDOG, YOUNG = 2, 15
"""Watchdog timeout, and an agent's grace period, in seconds."""
BACKEND = """
import asyncio, contextlib, time
from pathlib import Path
from vipagent_file import FileDriver

class Buggy(FileDriver):
    def __init__(self, settings):
        super().__init__(settings)
        self.look()

    def look(self):
        hang = Path(self.settings.hosts[0]).with_name("hang")
        if hang.exists():
            hang.unlink()
            hang_for_ever()
        with contextlib.suppress(RuntimeError):  # made only to validate the options
            asyncio.get_running_loop().call_later(0.1, self.look)

def hang_for_ever():
    time.sleep(3600)
"""
"""A third-party driver that blocks the agent's loop as soon as a file exists."""


def launch(box: Box, backend: str) -> None:
    box.configure({"apex": {"auth_ip": VIP, "rise": 1}}, backend=backend, watchdog=WATCHDOG)
    box.launch()


def came_back(box: Box, hung: int, since: float) -> None:
    """Wait until a new agent has registered the VIP, and check that no route has changed."""
    box.wait_to_hear("Timeout (0:00:", within=YOUNG + WATCHDOG)
    box.wait_until("a new agent is running", lambda: box.pid() != hung)
    box.wait_to_hear("register service=apex", times=2)
    assert box.switch.changes(since) == []
    assert box.table() == {OTHERS_ROUTE: None, VIP: 100}


def test_a_hung_agent_is_ended_and_another_one_has_all_its_routes(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "outside_buggy.py").write_text(BACKEND)
    install(site, "outside", {"buggy": "outside_buggy:Buggy"})
    with boxes(tmp_path / "blocked", environment(site)) as blocked, boxes(tmp_path / "stopped") as stopped:
        for box in blocked:
            launch(box, "buggy")
        for box in stopped:
            launch(box, "file")
        for box in (*blocked, *stopped):
            box.wait_for({OTHERS_ROUTE: None, VIP: 100})
            box.wait_to_hear("register service=apex")
        since = time.time()
        hung = {box: box.pid() for box in (*blocked, *stopped)}
        for box in blocked:
            box.store.with_name("hang").touch()
        for box in stopped:
            debugger.stop(hung[box])
        for box in stopped:
            box.wait_until("the stopped agent has ended", lambda: debugger.reap(hung[box]), YOUNG + WATCHDOG)  # noqa: B023
        for box, pid in hung.items():
            came_back(box, pid, since)
        for box in blocked:
            assert "in hang_for_ever" in box.said()
