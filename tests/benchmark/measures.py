"""Measurements, one function per part of the table."""

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
"""Seconds from the first announcement to a measurement."""


def memory(folder: Path, services: int) -> tuple[float, float]:
    """Return the memory in MB of one agent with a number of services, and of one healthcheck per VIP."""
    with ExitStack() as stack:
        of_agent = stack.enter_context(agent(folder, ["true"] * services))
        of_healthcheck = [
            stack.enter_context(healthcheck(folder, "true", n)) for n in range(min(services, 3))
        ]
        _warm_up([of_agent, *of_healthcheck])
        mean = statistics.mean(program.resident() for program in of_healthcheck)
        return of_agent.resident(), mean * services


def cpu(
    folder: Path, of_agent: str, key: str, of_healthcheck: str, seconds: float = 60.0
) -> tuple[float, float]:
    """Return the CPU seconds of agent and healthcheck, with children, for one check per second."""
    with (
        agent(folder, [of_agent], key) as agent_program,
        healthcheck(folder, of_healthcheck) as healthcheck_program,
    ):
        _warm_up([agent_program, healthcheck_program])
        before = agent_program.cpu(), healthcheck_program.cpu()
        time.sleep(seconds)
        return agent_program.cpu() - before[0], healthcheck_program.cpu() - before[1]


def detection(folder: Path, rounds: int = 10) -> tuple[float, float]:
    """Return the median time in seconds from a failing service to the withdraw command, for both."""
    flag = folder / "healthy"
    flag.touch()
    timing = {"interval": 1, "fast_interval": 0.5, "timeout": 1, "rise": 1, "fall": 2}
    of_agent: list[float] = []
    of_healthcheck: list[float] = []
    command = f"test -e {flag}"
    with (
        agent(folder, [command], timing=timing) as agent_program,
        healthcheck(folder, command, timing=timing) as healthcheck_program,
    ):
        _warm_up([agent_program, healthcheck_program])
        for number in range(rounds):
            time.sleep(number / rounds)  # each round at a different phase of the interval
            start = time.monotonic()
            flag.unlink()
            of_agent.append(agent_program.wait_for("withdraw", start).at - start)
            of_healthcheck.append(healthcheck_program.wait_for("withdraw", start).at - start)
            start = time.monotonic()
            flag.touch()
            for program in (agent_program, healthcheck_program):
                program.wait_for("announce", start)
    return statistics.median(of_agent), statistics.median(of_healthcheck)


@contextmanager
def web_server() -> Iterator[str]:
    """Serve status 200 on loopback; yield the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
            """Ignore all messages."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def _warm_up(programs: list[Program]) -> None:
    """Wait for the announcements of all programs, and then WARM_UP seconds."""
    for program in programs:
        program.wait_for("announce", 0.0)
    time.sleep(WARM_UP)
