"""A check by a shell command, as in ExaBGP's healthcheck (C1)."""

import signal
from dataclasses import dataclass

from vipagent.checks import process
from vipagent.checks.outcome import Outcome


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """Good if the command ends with status 0 in time."""

    command: str
    time_limit: float
    """Seconds."""

    async def run(self) -> Outcome:
        """Run the command once."""
        finished = await process.run(self.command, {}, self.time_limit)
        return Outcome(finished.status == 0, describe(finished, self.time_limit))


def describe(finished: process.Finished, time_limit: float) -> str:
    """Say how a command ended and, unless that was well, what it said last."""
    if finished.status == 0:
        return "status 0"
    ending = _ending(finished.status, time_limit)
    return f"{ending}: {finished.tail}" if finished.tail else ending


def _ending(status: int | None, time_limit: float) -> str:
    if status is None:
        return f"killed, not done within {time_limit:g} s"
    if status > 0:
        return f"status {status}"
    names = {number.value: number.name for number in signal.Signals}
    return f"ended by {names.get(-status, f'signal {-status}')}"
