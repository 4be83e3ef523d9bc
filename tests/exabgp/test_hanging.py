"""An agent that hangs is killed by its watchdog and restarted (E7)."""

import time
from pathlib import Path

from tests.exabgp import debugger
from tests.exabgp.box import OTHERS_ROUTE, Box, boxes
from tests.third_party import environment, install

VIP = "10.20.255.1"
WATCHDOG, GRACE_PERIOD = 2, 15
"""Watchdog timeout, and an agent's grace period, in seconds."""
BACKEND = """
import asyncio, contextlib, time
from pathlib import Path
from vipagent_file import FileDriver

class Buggy(FileDriver):
    def __init__(self, settings):
        super().__init__(settings)
        self.poll()

    def poll(self):
        hang_file = Path(self.settings.hosts[0]).with_name("hang")
        if hang_file.exists():
            hang_file.unlink()
            block_forever()
        with contextlib.suppress(RuntimeError):  # created only to validate the options
            asyncio.get_running_loop().call_later(0.1, self.poll)

def block_forever():
    time.sleep(3600)
"""
"""A third-party driver that blocks the agent's event loop as soon as a file exists."""


def launch(box: Box, backend: str) -> None:
    """Configure and start a load balancer."""
    box.configure({"apex": {"auth_ip": VIP, "rise": 1}}, backend=backend, watchdog=WATCHDOG)
    box.launch()


def wait_for_restart(box: Box, hung_pid: int, since: float) -> None:
    """Wait until a new agent has registered the VIP, and check that no route has changed."""
    box.wait_for_log("Timeout (0:00:", within=GRACE_PERIOD + WATCHDOG)
    box.wait_until("a new agent is running", lambda: box.pid() != hung_pid)
    box.wait_for_log("register service=apex", count=2)
    assert box.switch.changes(since) == []
    assert box.table() == {OTHERS_ROUTE: None, VIP: 100}


def test_a_hung_agent_is_restarted_without_a_change_of_routes(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "outside_buggy.py").write_text(BACKEND)
    install(site, "outside", {"buggy": "outside_buggy:Buggy"})
    with (
        boxes(tmp_path / "blocked", environment=environment(site)) as blocked,
        boxes(tmp_path / "stopped") as stopped,
    ):
        for box in blocked:
            launch(box, "buggy")
        for box in stopped:
            launch(box, "file")
        for box in (*blocked, *stopped):
            box.wait_for({OTHERS_ROUTE: None, VIP: 100})
            box.wait_for_log("register service=apex")
        since = time.time()
        hung_pids = {box: box.pid() for box in (*blocked, *stopped)}
        for box in blocked:
            box.store.with_name("hang").touch()
        for box in stopped:
            debugger.stop(hung_pids[box])
        for box in stopped:
            box.wait_until(
                "the stopped agent has exited",
                lambda: debugger.reap(hung_pids[box]),  # noqa: B023
                GRACE_PERIOD + WATCHDOG,
            )
        for box, pid in hung_pids.items():
            wait_for_restart(box, pid, since)
        for box in blocked:
            assert "in block_forever" in box.agent_log()
