"""Interface of checks."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Result of one run of a check."""

    good: bool
    detail: str
    """Description for operators."""


class Check(Protocol):
    """Checks whether the service on this machine works (C1)."""

    async def run(self) -> CheckOutcome:
        """Check once, within the timeout; raise only for unexpected errors."""
        ...
