"""What is measured, one function for each part of the table."""

import http.server
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmark.agents import agent, healthcheck
from tests.benchmark.program import Program

WARM_UP = 5.0
"""Seconds before memory is read or CPU counted."""


def memory(folder: Path, services: int) -> tuple[float, float]:
    """Return the MB of one agent with so many services, and of a healthcheck for each VIP."""
    with ExitStack() as stack:
        mine = stack.enter_context(agent(folder, ["true"] * services))
        theirs = [stack.enter_context(healthcheck(folder, "true", n)) for n in range(min(services, 3))]
        _settle([mine, *theirs])
        each = statistics.mean(program.resident() for program in theirs)
        return mine.resident(), each * services


def cpu(folder: Path, mine: str, key: str, theirs: str, seconds: float = 60.0) -> tuple[float, float]:
    """Return the CPU seconds of checking once a second, children included: the agent's, healthcheck's."""
    with agent(folder, [mine], key) as ours, healthcheck(folder, theirs) as other:
        _settle([ours, other])
        before = ours.cpu(), other.cpu()
        time.sleep(seconds)
        return ours.cpu() - before[0], other.cpu() - before[1]


def detection(folder: Path, rounds: int = 10) -> tuple[float, float]:
    """Return the median seconds from a failing service to the withdraw line, for both."""
    flag = folder / "healthy"
    flag.touch()
    timing = {"interval": 1, "fast_interval": 0.5, "timeout": 1, "rise": 1, "fall": 2}
    mine: list[float] = []
    theirs: list[float] = []
    command = f"test -e {flag}"
    with (
        agent(folder, [command], timing=timing) as ours,
        healthcheck(folder, command, timing=timing) as other,
    ):
        _settle([ours, other])
        for number in range(rounds):
            time.sleep(number / rounds)  # each round at another moment of the interval
            start = time.monotonic()
            flag.unlink()
            mine.append(ours.wait_for("withdraw", start).at - start)
            theirs.append(other.wait_for("withdraw", start).at - start)
            start = time.monotonic()
            flag.touch()
            for program in (ours, other):
                program.wait_for("announce", start)
    return statistics.median(mine), statistics.median(theirs)


@contextmanager
def web_server() -> Iterator[str]:
    """Serve 200 on loopback; yields the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Ignore all messages."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def _settle(programs: list[Program]) -> None:
    for program in programs:
        program.wait_for("announce", 0.0)
    time.sleep(WARM_UP)
