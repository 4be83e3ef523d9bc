"""Let one node take over 10,000 VIPs: `python -m tests.benchmark.crowd` writes a table of docs/stores.md.

The agent, ExaBGP and BIRD are real. A line in the agent's log about a hang, a lost session, a missing reply
or a deregistration is a failure.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmark.stores import page
from tests.exabgp.box import Box, boxes
from tests.exabgp.crowd import HOLD, Crowd, bad_signs, launch, wait_for_routes
from tests.markdown import table

SIZE = 10_000
ROUTES_TIMEOUT = 120.0
IDLE = 60.0
HEAD = ["ExaBGP", "10,000 VIPs", "until BIRD has all changes", "CPU of the agent", "CPU of ExaBGP"]


def measure(box: Box, what: str, change: Callable[[], None], done: Callable[[], None]) -> list[str]:
    """Return a row of the table: the time and the CPU time from a change until it is done."""
    pids = (box.pid(), box.exabgp.process.pid)
    before, since = [_cpu(pid) for pid in pids], time.monotonic()
    change()
    done()
    seconds = time.monotonic() - since
    used = [f"{_cpu(pid) - earlier:.1f} s" for pid, earlier in zip(pids, before, strict=True)]
    return [box.version, what, f"{seconds:.1f} s", *used]


def rows(box: Box) -> Iterator[list[str]]:
    """Let the owners fail and come back; yield the rows of the table."""
    with Crowd(box, SIZE) as crowd:
        launch(box, crowd)
        pid = box.pid()
        yield measure(box, "take-over", crowd.die, lambda: wait_for_routes(box, SIZE, ROUTES_TIMEOUT))
        yield measure(box, "the minute after", lambda: None, lambda: time.sleep(IDLE))
        crowd.prepare()
        yield measure(box, "hand-back", crowd.register, lambda: wait_for_routes(box, 0, ROUTES_TIMEOUT))
        assert bad_signs(box) == []
        assert box.pid() == pid, "the watchdog has ended the agent"
    box.stop()


def main() -> None:
    """Write the table."""
    with tempfile.TemporaryDirectory() as folder, boxes(Path(folder), hold=HOLD) as both:
        measured = [row for box in both for row in rows(box)]
    content = f"{table(HEAD, measured)}\n\n{page.conditions()}"
    page.write("many VIPs", content)


def _cpu(pid: int) -> float:
    """Return the CPU seconds of the main thread and all others of a process."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


if __name__ == "__main__":
    main()
