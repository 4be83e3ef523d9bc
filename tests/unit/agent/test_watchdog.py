"""The watchdog ends the process of a hung loop, with stacks on stderr, and no other (E7)."""

import subprocess
import sys

from vipagent.testing.slowness import allowed

TIMEOUT = 3
"""Timeout of the watchdog in seconds; half of it exceeds the scheduling delays of a busy machine."""
LONGER = TIMEOUT + 1
PROGRAM = """
import asyncio, time
from vipagent.agent import watchdog

def culprit(seconds):
    time.sleep(seconds)

async def main():
    watchdog.GRACE_PERIOD = {settled}
    dog = watchdog.Watchdog()
    dog.start({timeout})
    await asyncio.sleep(0.1)
    {then}
    print("alive")

asyncio.run(main())
"""


def run(then: str, settled: float = 0.0) -> tuple[int, str, str]:
    """Run a program under a watchdog; return its status, stdout and stderr."""
    program = PROGRAM.format(timeout=TIMEOUT, settled=settled, then=then)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=allowed(30)
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_a_blocked_loop_ends_the_process_with_stacks() -> None:
    status, output, stacks = run("culprit(60)")
    assert (status, output) == (1, "")
    assert "Timeout" in stacks
    assert "in culprit" in stacks


def test_a_running_loop_is_not_ended() -> None:
    assert run(f"await asyncio.sleep({2 * TIMEOUT})") == (0, "alive\n", "")


def test_no_process_is_ended_within_the_grace_period() -> None:
    assert run(f"culprit({LONGER})", settled=60.0) == (0, "alive\n", "")


def test_another_timeout_or_none_takes_the_place_of_the_first() -> None:
    assert run(f"dog.start(60); culprit({LONGER})") == (0, "alive\n", "")
    assert run(f"dog.start(0); culprit({LONGER})") == (0, "alive\n", "")
    assert run(f"dog.stop(); culprit({LONGER})") == (0, "alive\n", "")
