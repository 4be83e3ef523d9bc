"""A plain ChildrenWatch of kazoo that writes a line per change, for comparison with the agent.

python -m tests.benchmark.watcher ADDRESS DIRECTORY
"""

import os
import sys
import threading

from kazoo.client import KazooClient


def main(address: str, directory: str) -> None:
    """Write `present NAME` for each new child, and `absent NAME` for each deleted one."""
    client = KazooClient(address)
    client.start(10)
    known: set[str] = set()

    def on_change(children: list[str]) -> None:
        now = set(children)
        lines = [f"absent {name}\n" for name in known - now] + [f"present {name}\n" for name in now - known]
        known.clear()
        known.update(now)
        os.write(1, "".join(lines).encode())

    client.ChildrenWatch(directory, on_change)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
