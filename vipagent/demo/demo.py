"""The demo: an event loop that reads the routes of the switch and redraws on each change."""

import asyncio
import sys
import tempfile
import termios
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from vipagent.demo.cluster import NODES, Cluster
from vipagent.demo.operator import Operator
from vipagent.demo.screen import Machine, Result, render
from vipagent.demo.steps import Step, steps
from vipagent.demo.table import Table
from vipagent.store.layout import WHOLE_SERVICE

STABLE_TIME = 1.0
"""Time in seconds for which a state must be stable before the next step."""
KEY_HELP = (
    "1 2 3: kill or restart · a b c: maintenance of lb1 lb2 lb3 · s: maintenance of the service · q: quit"
)


class Demo:
    """The demo's processes, and the routes of their switch.

    Args:
        folder: directory for all files.
        live: redraws the terminal.
        pages: addresses of the status pages by load balancer.
    """

    def __init__(self, folder: Path, live: Live, pages: Mapping[str, str]) -> None:
        self._live = live
        self._socket = folder / "table"
        self._cluster = Cluster(folder, self._socket, pages)
        self._pages = pages
        self._operator = Operator(self._cluster.store)
        self._table = Table(tuple(node.vip for node in NODES))
        self._changed = asyncio.Event()
        self._results: list[Result] = []
        self._hint = ""
        self._drawn = False
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Start the switch and read its routes."""
        await asyncio.start_unix_server(self._listen, self._socket, limit=1 << 20)
        await asyncio.to_thread(self._cluster.start_switch)

    async def close(self) -> None:
        """Stop all processes; the last screen stays."""
        self._drawn = True
        await asyncio.to_thread(self._cluster.stop)
        self._operator.close()

    async def walk(self) -> bool:
        """Run all steps; return whether all of them succeeded."""
        self._hint = "each step: time until the switch has the new routes"
        for step in steps():
            result = await self._run_step(step)
            self._results.append(result)
            self._draw()
            if not result.reached:
                return False
        return True

    async def interact(self) -> None:
        """Start the load balancers, and handle keys until the user quits."""
        self._hint = KEY_HELP
        for node in NODES:
            self._cluster.start(node)
        self._draw()
        keys: asyncio.Queue[str] = asyncio.Queue()
        self._loop.add_reader(sys.stdin, lambda: keys.put_nowait(sys.stdin.read(1)))
        while (key := await keys.get()) not in {"q", "\x03", ""}:
            self._press(key)
            self._draw()

    def _press(self, key: str) -> None:
        if key in "123":
            node = NODES[int(key) - 1]
            (self._cluster.kill if self._cluster.runs(node) else self._cluster.start)(node)
        elif key in "abcs":
            name = WHOLE_SERVICE if key == "s" else NODES["abc".index(key)].name
            resume = self._operator.in_maintenance(name)
            (self._operator.resume if resume else self._operator.maintain)(name)

    async def _run_step(self, step: Step) -> Result:
        start = self._loop.time()
        self._table.watch_gaps(start)
        await asyncio.to_thread(step.act, self._cluster, self._operator)
        self._draw()
        reached = False
        seconds = step.within
        while not reached and self._loop.time() < start + step.within:
            reached = await self._holds(step, start + step.within)
        if reached:
            seconds = self._since - start
        unserved = None if step.unserved else self._table.gap(self._loop.time())
        return Result(step.title, seconds, unserved, reached)

    async def _holds(self, step: Step, deadline: float) -> bool:
        """Wait until the expected state is reached and stable."""
        while not step.expected(self._table):
            if not await self._change(deadline):
                return False
        self._since = self._loop.time()
        while await self._change(self._since + STABLE_TIME):
            if not step.expected(self._table):
                return False
        return True

    async def _change(self, deadline: float) -> bool:
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), max(0.0, deadline - self._loop.time()))
        except TimeoutError:
            return False
        return True

    async def _listen(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            if self._table.take(line.decode(errors="replace"), self._loop.time()):
                self._changed.set()
                self._draw()

    def _draw(self) -> None:
        if self._drawn:
            return
        nodes = [Machine(node.name, self._cluster.runs(node), self._pages.get(node.name)) for node in NODES]
        self._live.update(render(self._table, nodes, self._results, self._hint), refresh=True)


def run(pages: Mapping[str, str], *, walk: bool) -> int:
    """Run the demo.

    Args:
        pages: addresses of the status pages, in the format of `listen`, by load balancer.
        walk: run the steps and exit; otherwise handle keys, which needs a terminal.

    Returns:
        The exit status: 0 if all steps succeeded.
    """
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="vipagent-demo-") as folder,
        Live(console=console, auto_refresh=False) as live,
        _single_keys(wanted=not walk),
    ):
        status = asyncio.run(_run(Path(folder), live, pages, walk=walk))
    console.print()
    return status


async def _run(folder: Path, live: Live, pages: Mapping[str, str], *, walk: bool) -> int:
    demo = Demo(folder, live, pages)
    try:
        await demo.open()
        if walk:
            return 0 if await demo.walk() else 1
        await demo.interact()
    finally:
        await demo.close()
    return 0


@contextmanager
def _single_keys(*, wanted: bool) -> Iterator[None]:
    """Read single keys from the terminal without line buffering."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
