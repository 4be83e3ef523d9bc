"""Several labs in parallel, each measured by a separate process, which mostly waits."""

import secrets
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing import get_context

from tests.lab.lab import Lab, begin
from tests.lab.measure import Measured, measure
from tests.lab.plan import Plan, Standby, Tor
from tests.lab.scenarios import BY_NAME

Job = tuple[Plan, str]
"""A lab, and the name of a scenario."""


@contextmanager
def side_by_side(jobs: Sequence[Job]) -> Iterator[list[Future[Measured]]]:
    """Start a lab for each plan, and run its jobs in order.

    Yields:
        The future result of each job. All labs are removed at the end, even if jobs fail.
    """
    with ExitStack() as stack:
        pools = {}
        for planned in dict.fromkeys(planned for planned, _ in jobs):
            pool = pools[planned] = ProcessPoolExecutor(1, get_context("spawn"), _ignore_sigint)
            stack.callback(pool.shutdown)
            stack.callback(Lab(planned).down)  # ends what the process waits for
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        yield [pools[planned].submit(_measure, planned, name) for planned, name in jobs]


def unique(standby: Standby, tor: Tor, neighbors: int = 1) -> Plan:
    """Return a plan with an unused name."""
    return Plan(f"{standby}{tor}{neighbors}-{secrets.token_hex(3)}", standby, tor, neighbors)


def _ignore_sigint() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process takes the lab down


def _measure(planned: Plan, scenario: str) -> Measured:
    """Run a scenario on this process's lab, which the first call starts."""
    return measure(_started_lab(planned), BY_NAME[scenario])


@cache
def _started_lab(planned: Plan) -> Lab:
    return begin(planned)
