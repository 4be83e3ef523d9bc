"""The way of a take-over through our files, from a vanished znode to the line for ExaBGP.

`python -m tests.benchmark.trace` shows them in the order in which they are entered, on whatever thread, up to
the write; and that neither a log line nor a record comes before it.
"""

import asyncio
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient

from tests.benchmark.reaction import zookeeper
from tests.quick.core.pools import SEATS
from tests.quick.engine.driven import answer, served
from tests.unit.waiting import eventually
from vipagent.agent.agent import Agent
from vipagent.config.settings import AgentConfig
from vipagent.store.backend import StoreSettings
from vipagent.store.client import StoreClient
from vipagent_zookeeper import ZooKeeperDriver

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MEMBERS = "/exabgp/service/apex"
ORPHAN = SEATS[1][0]
ROOT = Path(__file__).parents[2]
OURS = (f"{ROOT / 'vipagent'}/", f"{ROOT / 'backends'}/")
TESTING = f"{ROOT / 'vipagent' / 'testing'}/"
REPORTS = f"{ROOT / 'vipagent' / 'engine' / 'reporter.py'}"
"""Makes log lines and records of decisions: nothing of it may come before the write."""


Write = Callable[[int, "ReadableBuffer"], int]


class Trace:
    """Notes the files of ours that are entered while it is on, and what else matters."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.reported_first = False
        """Whether something was reported before the write."""
        self._on = False

    def begin(self) -> None:
        """Note from now on."""
        self.files, self.reported_first, self._on = [], False, True

    def end(self) -> None:
        """Note no more."""
        self._on = False

    def note(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Take a call, as `sys.setprofile` tells it."""
        if not self._on or event != "call":
            return
        file = frame.f_code.co_filename
        if TESTING in file:
            return
        self.reported_first |= file == REPORTS
        if file.startswith(OURS) and (name := str(Path(file).relative_to(ROOT))) not in self.files:
            self.files.append(name)


class Traced:
    """An agent under an ExaBGP played by hand; the trace ends when the agent writes to it."""

    def __init__(self, address: str, trace: Trace) -> None:
        (replies, self._replies), (self._commands, commands) = os.pipe(), os.pipe()
        os.set_blocking(self._commands, False)
        settings = StoreSettings("node1", "this run", (address,))
        config = AgentConfig("zookeeper", settings, (served(settle=0.0, release_delay=0.01),))
        self.agent = Agent(config, partial(StoreClient, ZooKeeperDriver), replies, commands)
        self.said = ""
        self._trace = trace

    def writing(self, write: Write) -> Write:
        """Return `os.write` that ends the trace once ExaBGP is written to."""

        def traced(descriptor: int, data: "ReadableBuffer") -> int:
            if ORPHAN.encode() in bytes(data):
                self._trace.end()
            return write(descriptor, data)

        return traced

    def says(self, text: str) -> bool:
        """Read what the agent has said, acknowledge it, and return whether that is among it."""
        with suppress(BlockingIOError):
            said = os.read(self._commands, 1 << 16).decode()
            self.said += said
            for line in said.splitlines():
                replies = answer("192.0.2.1") if line.startswith("show") else ["done"]
                os.write(self._replies, "".join(f"{reply}\n" for reply in replies).encode())
        return text in self.said


async def traced(address: str, trace: Trace) -> None:
    """Have an agent take over, and note the way of it."""
    client = KazooClient(address)
    client.start(10)
    for vip, *_ in SEATS[1:]:
        client.create(f"{MEMBERS}/{vip}", ephemeral=True, makepath=True)
    exabgp = Traced(address, trace)
    os.write = exabgp.writing(os.write)
    running = asyncio.get_running_loop().create_task(exabgp.agent.run())
    await eventually("it announces its own", lambda: exabgp.says("announce route"))
    await eventually("it is registered", lambda: _registered(exabgp, client))
    for _ in range(100):  # until whatever follows the start is over
        exabgp.says("")
        await asyncio.sleep(0.02)
    sys.setprofile(trace.note)
    trace.begin()
    client.delete(f"{MEMBERS}/{ORPHAN}")
    await eventually("it takes over", lambda: exabgp.says(f"announce route {ORPHAN}/32"))
    sys.setprofile(None)
    running.cancel()
    exabgp.agent.close()
    client.stop()
    client.close()


def _registered(exabgp: Traced, client: KazooClient) -> bool:
    exabgp.says("")
    return len(client.get_children(MEMBERS)) == len(SEATS)


def main() -> None:
    """Print the files, and fail if something came before the write that must not."""
    trace = Trace()
    threading.setprofile(trace.note)
    with tempfile.TemporaryDirectory() as folder, zookeeper(Path(folder)) as address:
        asyncio.run(traced(address, trace))
    print("\n".join(trace.files))
    first = "something is reported" if trace.reported_first else "no log line and no record comes"
    print(f"{len(trace.files)} files; {first} before the write")
    sys.exit(1 if trace.reported_first else 0)


if __name__ == "__main__":
    main()
