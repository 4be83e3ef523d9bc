"""A check by a TCP connection (C1)."""

from dataclasses import dataclass

from vipagent.checks.channel import plain
from vipagent.checks.network import Endpoint, attempt
from vipagent.checks.outcome import Outcome


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """Good if somebody accepts the connection in time."""

    where: Endpoint
    time_limit: float
    """Seconds."""

    async def run(self) -> Outcome:
        """Connect once."""
        return await attempt(self.where, self.time_limit, self._connect())

    async def _connect(self) -> Outcome:
        async with plain(self.where):
            return Outcome(True, f"connected to {self.where.url}")
