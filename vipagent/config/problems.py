"""What is wrong with a configuration, and where, in the words of whoever wrote it: keys, or options."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

COMMAND_LINE = "command line"
Location = tuple[int | str, ...]
SHOWN = 80
"""Characters of a value that a message shows."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    where: str
    """The file, or `command line`."""
    key: str
    """`services.apex.vip[1]`, or `--vip`; empty: the whole of it."""
    value: object
    """As it was given; None: there is none to show, or it must not be shown (a secret)."""
    text: str
    """What is wrong, and what would be right."""

    def __str__(self) -> str:
        """Return one line: where, key, value, text."""
        parts = [self.where, self.key] if self.key else [self.where]
        shown = "" if self.value is None else f"{_shown(self.value)} "
        return f"{': '.join(parts)}: {shown}{self.text}"


@dataclass(frozen=True, slots=True)
class Place:
    """A section of the configuration."""

    where: str
    path: str = ""
    """The section's own key with a dot at its end; `--`: the options of a command line."""

    def below(self, *keys: str) -> "Place":
        """Return the place of a section in this one; the command line has no sections."""
        return (
            self if self.path == "--" else Place(self.where, self.path + "".join(f"{key}." for key in keys))
        )

    def key(self, location: Location) -> str:
        """Return the full key of a value in this section."""
        if self.path == "--":
            return f"--{str(location[0]).replace('_', '-')}"
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
        return self.path + text.removeprefix(".")

    def problem(self, location: Location, value: object, text: str) -> Problem:
        """Return a problem of a value in this section."""
        return Problem(self.where, self.key(location), value, text)


def command_line() -> Place:
    """Return the place of the options of one service."""
    return Place(COMMAND_LINE, "--")


class ConfigError(Exception):
    """A configuration that cannot be used, and everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(describe(self.problems))


def describe(problems: Sequence[Problem]) -> str:
    """Return the message for people: a line per problem, control characters escaped."""
    return "\n".join(str(problem) for problem in problems)


def _shown(value: object) -> str:
    """Return a value on one line, whatever is in it."""
    text = re.sub("//[^/@]*@", "//…@", repr(value))  # a URL may have a password in it
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
