"""Every option as plain data, from the field that states it: for command line, documentation, manuals."""

import builtins
import dataclasses
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from vipagent.config.schema import AgentSection, ServiceSection
from vipagent.config.values import Range, Short, Unit

SERVICE = "services.NAME"
"""Where a service's keys lie; NAME is the service's."""
KINDS = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    str: "text",
    dict: "mapping",
    Path: "file",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file."""

    path: str
    """`services.NAME.flap_hold.seconds`."""
    values: str
    """What it takes, in words, with its limits; choices and literals are in backquotes."""
    default: str
    """As it would be written; empty: none."""
    text: str
    """What it means."""
    names: tuple[str, ...] = ()
    """`("-i", "--interval")`: the same on the command line of `vipagent run`; empty: only in a file."""
    metavar: str = ""
    """What the option takes, as `SECONDS`; empty: it is a flag."""
    repeatable: bool = False
    """Whether the option may be given several times."""

    @property
    def option(self) -> str:
        """The option in words: `-i, --interval SECONDS`; empty: only in a file."""
        return f"{', '.join(self.names)} {self.metavar}".strip()


def keys() -> list[Key]:
    """Return every key of the file, the agent's before the services'."""
    return [*options(AgentSection), *options(ServiceSection, f"{SERVICE}.")]


def options(section: type, above: str = "", *, on_command_line: bool = True) -> Iterator[Key]:
    """Yield the options that a class states, or has from its bases, in the order of its fields.

    Args:
        section: a dataclass, as a `Section` or a backend's options.
        above: the path of what holds them.
        on_command_line: whether they are options of a command, too; what is a mapping never is.
    """
    hints = get_type_hints(section, include_extras=True)
    for field in dataclasses.fields(section):
        hint = hints[field.name]
        text = next(extra for extra in _extras(hint) if isinstance(extra, str))
        kind = get_args(hint)[0]
        is_mapping = _is_section(kind) or get_origin(kind) is dict
        key = Key(f"{above}{field.name}", _values(hint), _default(field.default), text)
        if on_command_line and not is_mapping:
            short = (extra.name for extra in _extras(hint) if isinstance(extra, Short))
            key = replace(
                key,
                names=(*short, f"--{field.name.replace('_', '-')}"),
                metavar=_metavar(hint),
                repeatable=isinstance(field.default, tuple),
            )
        yield key
        if _is_section(kind):
            yield from options(kind, f"{key.path}.", on_command_line=False)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _extras(hint: Any) -> Iterator[Any]:
    """Yield what a type is annotated with, the last first: a field's own before that of its type."""
    if get_origin(hint) is Annotated:
        yield from reversed(hint.__metadata__)
    for inner in get_args(hint)[:1]:
        yield from _extras(inner)


def _metavar(hint: Any) -> str:
    """Return what an option of this type takes: its unit, or its choices; empty for a flag."""
    unit = next((extra.metavar for extra in _extras(hint) if isinstance(extra, Unit)), "")
    return unit or ("" if get_args(hint)[0] is bool else _values(hint).replace("`, `", "|").strip("`"))


def _values(hint: Any) -> str:
    """Return in words what a type takes."""
    inner = get_args(hint)
    match get_origin(hint):
        case typing.Annotated:
            said = _values(inner[0]) + _limits(inner[1:])
        case typing.Literal:
            said = _choices(inner)
        case builtins.tuple:
            said = f"{_values(inner[0])}, or a list"
        case None if _is_section(hint):
            said = KINDS[dict]
        case None if issubclass(hint, Enum):
            said = _choices([choice.value for choice in hint])
        case None | builtins.dict as kind:
            said = KINDS[kind or hint]
        case _:  # one type or another
            said = ", or ".join(_values(kind) for kind in inner if kind is not NoneType)
    return said


def _choices(values: Iterable[object]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _limits(extras: tuple[Any, ...]) -> str:
    """Return the limits among what is annotated: `, 0 to 1000`."""
    limits = (extra for extra in extras if isinstance(extra, Range))
    return "".join(
        f", more than {limit.least}, up to {limit.most}"
        if limit.above
        else f", {limit.least} to {limit.most}"
        for limit in limits
    )


def _default(value: object) -> str:
    match value:
        case None | () | "" | dataclasses.MISSING:
            return ""
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case float():
            return f"{value:g}"
    return "" if _is_section(type(value)) else str(value)
