"""A draft as YAML with comments. Nothing that was read can break out of its value or comment."""

import re
import textwrap
from collections.abc import Iterable, Iterator

import yaml

from vipagent.migration.draft import Draft, Instance, Remark, Setting, Value, Weight

WIDTH = 100
_PLAIN = re.compile(r"(?!null$)[A-Za-z0-9/][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*")
"""What means itself without quotes, in a list, too."""


def text(draft: Draft, command: str) -> str:
    """Return the new file.

    Args:
        draft: what is in it.
        command: what has made it, for the first line.
    """
    return "\n".join(_lines(draft, command)) + "\n"


def _lines(draft: Draft, command: str) -> Iterator[str]:
    yield from _comment(f"Made by: {command}", "")
    yield from _comment("TODO marks what you have to decide. Then: vipagent check-config FILE", "")
    for setting in draft.top:
        yield from _setting(setting, "")
    yield "services:"
    for service in draft.services:
        yield from _service(service)


def _service(service: Instance) -> Iterator[str]:
    yield f"  {_scalar(service.name)}:"
    yield from _comment(f"From {service.where}", "    ")
    for setting in service.service:
        yield from _setting(setting, "    ")
    yield from _remarks(service.remarks, "    ")


def _setting(setting: Setting, indent: str) -> Iterator[str]:
    yield from _remarks(setting.remarks, indent)
    yield f"{indent}{setting.key}: {_value(setting.value)}"


def _remarks(remarks: Iterable[Remark], indent: str) -> Iterator[str]:
    for remark in remarks:
        mark = "TODO: " if remark.weight is Weight.TODO else ""
        yield from _comment(f"{mark}{remark.text}", indent)


def _comment(words: str, indent: str) -> list[str]:
    return textwrap.wrap(
        one_line(words),
        WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_on_hyphens=False,
    )


def one_line(words: str) -> str:
    """Return a text with its control characters, and whatever else does not print, escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in words
    )


def _value(value: Value) -> str:
    return _scalar(value) if isinstance(value, str) else f"[{', '.join(map(_scalar, value))}]"


def _scalar(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    # Of YAML's styles only this one can say every character, and stays on its line.
    quoted: str = yaml.safe_dump(value, default_style='"', width=float("inf"))
    return quoted.rstrip("\n")
