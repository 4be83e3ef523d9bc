"""What kazoo alone needs: a bare ChildrenWatch that writes a line at each change, as the agent would.

python -m tests.benchmark.watcher ADDRESS DIRECTORY
"""

import os
import sys
import threading

from kazoo.client import KazooClient


def main(address: str, directory: str) -> None:
    """Write `present NAME` for each child that comes, and `absent NAME` for each that goes."""
    client = KazooClient(address)
    client.start(10)
    known: set[str] = set()

    def changed(children: list[str]) -> None:
        now = set(children)
        lines = [f"absent {name}\n" for name in known - now] + [f"present {name}\n" for name in now - known]
        known.clear()
        known.update(now)
        os.write(1, "".join(lines).encode())

    client.ChildrenWatch(directory, changed)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
