"""A check by a TCP connection (C1)."""

from dataclasses import dataclass

from vipagent.checks.network import Target, attempt
from vipagent.checks.outcome import CheckOutcome
from vipagent.net.connecting import connect


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """Succeeds if the connection is accepted in time."""

    target: Target
    timeout: float
    """Seconds."""

    async def run(self) -> CheckOutcome:
        """Connect once."""
        return await attempt(self.target.url, self.timeout, self._connect())

    async def _connect(self) -> CheckOutcome:
        (await connect(self.target.server, self.timeout)).close()
        return CheckOutcome(True, f"connected to {self.target.url}")
