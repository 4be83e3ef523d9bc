"""What a check is, and what it says."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a check found out."""

    good: bool
    detail: str
    """In words, for operators."""


class Check(Protocol):
    """Says whether the service on this machine works (C1)."""

    async def run(self) -> Outcome:
        """Check once, in no more than the check's time limit; only what is unforeseen is raised."""
        ...
