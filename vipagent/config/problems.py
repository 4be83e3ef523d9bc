"""Problems of a configuration, located by key (in a file) or by option (on a command line)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vipagent.store.fields import sanitize

COMMAND_LINE = "command line"
Location = tuple[int | str, ...]
MAX_SHOWN = 80
"""Maximum length of a value in a message, in characters."""
MAX_FIRST = 300
"""Maximum length of the first problem where it stands for all, in characters."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a configuration."""

    where: str
    """The file, or `command line`."""
    key: str
    """`services.apex.vip[1]` or `--vip`; empty if the problem concerns the whole configuration."""
    value: object
    """The value as given; None if there is no value or it may be a secret."""
    text: str
    """What is wrong and how to correct it."""

    def __str__(self) -> str:
        """Return the problem on one line: where, key, value, text."""
        parts = [self.where, self.key] if self.key else [self.where]
        shown = "" if self.value is None else f"{_shown(self.value)} "
        return f"{': '.join(parts)}: {shown}{self.text}"


@dataclass(frozen=True, slots=True)
class Place:
    """Location of a section of the configuration."""

    where: str
    path: str = ""
    """The section's key with a trailing dot; `--` for command-line options."""

    def below(self, *keys: str) -> "Place":
        """Return the location of a subsection; a command line has no subsections."""
        return (
            self if self.path == "--" else Place(self.where, self.path + "".join(f"{key}." for key in keys))
        )

    def key(self, location: Location) -> str:
        """Return the full key, or the option, of a value in this section."""
        if self.path == "--":
            return f"--{str(location[0]).replace('_', '-')}"
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
        return self.path + text.removeprefix(".")

    def problem(self, location: Location, value: object, text: str) -> Problem:
        """Return a problem with a value in this section."""
        return Problem(self.where, self.key(location), value, text)


def command_line() -> Place:
    """Return the location of command-line options."""
    return Place(COMMAND_LINE, "--")


class ConfigError(Exception):
    """The configuration is invalid; carries all problems found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(describe(self.problems))


def describe(problems: Sequence[Problem]) -> str:
    """Return a message with one line per problem and control characters escaped."""
    return "\n".join(str(problem) for problem in problems)


def first_problem(error: Exception) -> str:
    """Return the first problem of a refused configuration, on one line, and how many more there are."""
    first, *others = str(error).splitlines() or [""]
    printable = sanitize(first[: MAX_FIRST + 1])
    text = printable if len(printable) <= MAX_FIRST else f"{printable[:MAX_FIRST]}…"
    return f"{text} (and {len(others)} more)" if others else text


def _shown(value: object) -> str:
    """Return a value escaped, truncated and on one line."""
    text = re.sub("//[^/@]*@", "//…@", repr(value))  # a URL may contain a password
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
