"""Where a value stands, in the words of whoever wrote it: a file's keys, or a command line's options."""

from dataclasses import dataclass

from vipagent.config.problems import Problem

COMMAND_LINE = "command line"
Location = tuple[int | str, ...]


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
