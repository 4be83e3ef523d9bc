"""A check by a TCP connection (C1)."""

from dataclasses import dataclass

from vipagent.checks.network import Target, attempt
from vipagent.checks.outcome import Outcome
from vipagent.net.connecting import connect


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """Good if somebody accepts the connection in time."""

    asked: Target
    time_limit: float
    """Seconds."""

    async def run(self) -> Outcome:
        """Connect once."""
        return await attempt(self.asked.url, self.time_limit, self._connect())

    async def _connect(self) -> Outcome:
        (await connect(self.asked.server, self.time_limit)).close()
        return Outcome(True, f"connected to {self.asked.url}")
