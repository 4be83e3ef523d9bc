"""Trace a takeover through our files, from the deleted znode to the command for ExaBGP.

`python -m tests.benchmark.trace` prints them in the order of their first call, on any thread, until the
write. It fails if a log line or an event record was created before the write.
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
from tests.quick.core.pools import OWNERS
from tests.quick.engine.harness import answer, served
from tests.unit.waiting import eventually
from vipagent.agent.agent import Agent
from vipagent.config.settings import AgentConfig
from vipagent.store.backend import StoreSettings
from vipagent.store.client import StoreClient
from vipagent_zookeeper import ZooKeeperDriver

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MEMBERS = "/exabgp/service/apex"
ORPHAN = OWNERS[1][0]
ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = (f"{ROOT / 'vipagent'}/", f"{ROOT / 'backends'}/")
TESTING_ROOT = f"{ROOT / 'vipagent' / 'testing'}/"
REPORTER = f"{ROOT / 'vipagent' / 'engine' / 'reporter.py'}"
"""Creates log lines and records of decisions, which must happen after the write."""


Write = Callable[[int, "ReadableBuffer"], int]


class Trace:
    """Records which of our files are called while it is active."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.reported_first = False
        """Whether the reporter was called before the write."""
        self._active = False

    def start(self) -> None:
        """Start recording."""
        self.files, self.reported_first, self._active = [], False, True

    def stop(self) -> None:
        """Stop recording."""
        self._active = False

    def record_call(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Record a call: the callback of `sys.setprofile`."""
        if not self._active or event != "call":
            return
        file = frame.f_code.co_filename
        if TESTING_ROOT in file:
            return
        self.reported_first |= file == REPORTER
        if file.startswith(SOURCE_ROOTS) and (name := str(Path(file).relative_to(ROOT))) not in self.files:
            self.files.append(name)


class Traced:
    """An agent with the test as ExaBGP; the trace stops when the agent writes the announcement."""

    def __init__(self, address: str, trace: Trace) -> None:
        (replies, self._replies), (self._commands, commands) = os.pipe(), os.pipe()
        os.set_blocking(self._commands, False)
        settings = StoreSettings("node1", "this run", (address,))
        config = AgentConfig("zookeeper", settings, (served(settle=0.0, release_delay=0.01),))
        self.agent = Agent(config, partial(StoreClient, ZooKeeperDriver), replies, commands)
        self.output = ""
        self._trace = trace

    def stop_on_write(self, write: Write) -> Write:
        """Return a wrapper of `os.write` that stops the trace at the announcement."""

        def traced(descriptor: int, data: "ReadableBuffer") -> int:
            if ORPHAN.encode() in bytes(data):
                self._trace.stop()
            return write(descriptor, data)

        return traced

    def has_written(self, text: str) -> bool:
        """Read and acknowledge the agent's commands; return whether `text` is in its output."""
        with suppress(BlockingIOError):
            data = os.read(self._commands, 1 << 16).decode()
            self.output += data
            for line in data.splitlines():
                replies = answer("192.0.2.1") if line.startswith("show") else ["done"]
                os.write(self._replies, "".join(f"{reply}\n" for reply in replies).encode())
        return text in self.output


async def trace_takeover(address: str, trace: Trace) -> None:
    """Run an agent, and trace a takeover."""
    client = KazooClient(address)
    client.start(10)
    for vip, *_ in OWNERS[1:]:
        client.create(f"{MEMBERS}/{vip}", ephemeral=True, makepath=True)
    exabgp = Traced(address, trace)
    os.write = exabgp.stop_on_write(os.write)
    running = asyncio.get_running_loop().create_task(exabgp.agent.run())
    await eventually("it announces its own VIP", lambda: exabgp.has_written("announce route"))
    await eventually("it is registered", lambda: _registered(exabgp, client))
    for _ in range(100):  # until the tasks of the start are complete
        exabgp.has_written("")
        await asyncio.sleep(0.02)
    sys.setprofile(trace.record_call)
    trace.start()
    client.delete(f"{MEMBERS}/{ORPHAN}")
    await eventually("it takes over", lambda: exabgp.has_written(f"announce route {ORPHAN}/32"))
    sys.setprofile(None)
    running.cancel()
    exabgp.agent.close()
    client.stop()
    client.close()


def _registered(exabgp: Traced, client: KazooClient) -> bool:
    exabgp.has_written("")
    return len(client.get_children(MEMBERS)) == len(OWNERS)


def main() -> None:
    """Print the files; exit with 1 if something was reported before the write."""
    trace = Trace()
    threading.setprofile(trace.record_call)
    with tempfile.TemporaryDirectory() as folder, zookeeper(Path(folder)) as address:
        asyncio.run(trace_takeover(address, trace))
    print("\n".join(trace.files))
    reports = "something was" if trace.reported_first else "nothing was"
    print(f"{len(trace.files)} files; {reports} reported before the write")
    sys.exit(1 if trace.reported_first else 0)


if __name__ == "__main__":
    main()
