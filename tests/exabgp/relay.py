"""Passes lines between ExaBGP and an agent, and can keep ExaBGP's from it: an ExaBGP that does not answer.

python relay.py FILE COMMAND...

While FILE exists, the agent reads nothing, but ExaBGP executes its commands. The answers arrive afterwards,
or are lost if the file says so.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

LOSE = "lose"
"""Content of the file while answers are lost."""
POLL_INTERVAL = 0.05
"""Seconds."""


def is_lost(mute: Path) -> bool:
    """Return whether a line is lost; wait while lines are kept."""
    while mute.exists():
        if mute.read_text() == LOSE:
            return True
        time.sleep(POLL_INTERVAL)
    return False


def pass_on(source: IO[bytes], target: IO[bytes], mute: Path | None = None) -> None:
    """Pass all lines from one pipe to another, until either is closed."""
    try:
        for line in source:
            if mute and is_lost(mute):
                continue
            target.write(line)
            target.flush()
        target.close()
    except (BrokenPipeError, ValueError):
        pass


def main() -> int:
    """Run the command between the pipes, and return its status."""
    mute, *command = sys.argv[1:]
    agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert agent.stdin
    assert agent.stdout
    down = threading.Thread(target=pass_on, args=(sys.stdin.buffer, agent.stdin, Path(mute)), daemon=True)
    down.start()
    pass_on(agent.stdout, sys.stdout.buffer)
    return agent.wait()


if __name__ == "__main__":
    sys.exit(main())
