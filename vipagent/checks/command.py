"""A check by a shell command, as in ExaBGP's healthcheck (C1)."""

import signal
from dataclasses import dataclass

from vipagent.checks import process
from vipagent.checks.outcome import CheckOutcome


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """Succeeds if the command exits with status 0 in time."""

    command: str
    timeout: float
    """Seconds."""

    async def run(self) -> CheckOutcome:
        """Run the command once."""
        finished = await process.run(self.command, {}, self.timeout)
        return CheckOutcome(finished.status == 0, describe(finished, self.timeout))


def describe(finished: process.Finished, timeout: float) -> str:
    """Describe how a command ended and, unless it succeeded, its last output."""
    if finished.status == 0:
        return "status 0"
    ending = _ending(finished.status, timeout)
    return f"{ending}: {finished.tail}" if finished.tail else ending


def _ending(status: int | None, timeout: float) -> str:
    if status is None:
        return f"killed, not finished within {timeout:g} s"
    if status > 0:
        return f"status {status}"
    names = {number.value: number.name for number in signal.Signals}
    return f"killed by {names.get(-status, f'signal {-status}')}"
