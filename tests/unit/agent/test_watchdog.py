"""The watchdog exits a process whose event loop hangs, with the stacks on stderr (E7)."""

import subprocess
import sys

from vipagent.testing.slowness import allowed

TIMEOUT = 3
"""Timeout of the watchdog in seconds: a busy machine must not delay the process for half of it."""
BLOCKED_TIME = TIMEOUT + 1
PROGRAM = """
import asyncio, time
from vipagent.agent import watchdog

def block(seconds):
    time.sleep(seconds)

async def main():
    watchdog.GRACE_PERIOD = {grace_period}
    timer = watchdog.Watchdog()
    timer.start({timeout})
    await asyncio.sleep(0.1)
    {body}
    print("alive")

asyncio.run(main())
"""


def run(body: str, grace_period: float = 0.0) -> tuple[int, str, str]:
    """Run a program with a watchdog; return its exit status, stdout and stderr."""
    program = PROGRAM.format(timeout=TIMEOUT, grace_period=grace_period, body=body)
    completed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=allowed(30)
    )
    return completed.returncode, completed.stdout, completed.stderr


def test_a_blocked_loop_ends_the_process_with_stacks() -> None:
    status, stdout, stacks = run("block(60)")
    assert (status, stdout) == (1, "")
    assert "Timeout" in stacks
    assert "in block" in stacks


def test_a_running_loop_is_not_ended() -> None:
    assert run(f"await asyncio.sleep({2 * TIMEOUT})") == (0, "alive\n", "")


def test_no_process_is_ended_within_the_grace_period() -> None:
    assert run(f"block({BLOCKED_TIME})", grace_period=60.0) == (0, "alive\n", "")


def test_another_start_replaces_the_timeout_and_stop_ends_it() -> None:
    assert run(f"timer.start(60); block({BLOCKED_TIME})") == (0, "alive\n", "")
    assert run(f"timer.start(0); block({BLOCKED_TIME})") == (0, "alive\n", "")
    assert run(f"timer.stop(); block({BLOCKED_TIME})") == (0, "alive\n", "")
