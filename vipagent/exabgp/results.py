"""Results of ExaBGP commands (E1), and of queries."""

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command."""

    vip: str
    line: str
    error: str = ""
    """Empty if the command succeeded."""
    is_current: bool = True
    """Whether the command is still the desired one for its prefix."""
    announced: bool = False
    """Whether it was an announcement."""
    partial: bool = False
    """Whether only the line for one kind of neighbour was rejected, as if no `api` block of theirs names this
    process."""
    latency: float | None = field(default=None, compare=False)
    """Seconds between the command and its reply; None without a reply."""


class QueryAnswered(NamedTuple):
    """The answer to an attached query is complete."""

    query: str
    error: str = ""
    """Empty if ExaBGP knows the query."""
    ended_at: float | None = None
    """Time of its last line if acknowledgements are disabled: a pause shows the end. None: now."""
