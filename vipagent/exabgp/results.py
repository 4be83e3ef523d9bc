"""Results of ExaBGP commands (E1)."""

from dataclasses import dataclass, field


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
    latency: float | None = field(default=None, compare=False)
    """Seconds between the command and its reply; None without a reply."""
