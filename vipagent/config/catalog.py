"""Catalog of all configuration keys, derived from the dataclass fields that define them.

The command line, the reference documentation and the manual pages are generated from it.
"""

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
from vipagent.config.values import Metavar, Range, ShortOption

SERVICE_PATH = "services.NAME"
"""Path of a service's section; NAME stands for the service's name."""
TYPE_NAMES = {
    bool: "`true` or `false`",
    int: "integer",
    float: "number",
    str: "string",
    dict: "mapping",
    Path: "file",
}


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One key of the configuration file."""

    path: str
    """Full path: `services.NAME.flap_hold.seconds`."""
    values: str
    """Type and limits of the value; choices and literals are in backquotes."""
    default: str
    """Default value as written in the file; empty if there is no default."""
    text: str
    """Description."""
    names: tuple[str, ...] = ()
    """Option names of `vipagent run`: `("-i", "--interval")`; empty if the key exists only in the file."""
    metavar: str = ""
    """Placeholder of the option's value, such as `SECONDS`; empty for a flag."""
    repeatable: bool = False
    """Whether the option can be repeated."""

    @property
    def option(self) -> str:
        """Synopsis of the option: `-i, --interval SECONDS`; empty if the key exists only in the file."""
        return f"{', '.join(self.names)} {self.metavar}".strip()


def keys() -> list[ConfigKey]:
    """Return all keys of the file: the agent's, then the services'."""
    return [*options(AgentSection), *options(ServiceSection, f"{SERVICE_PATH}.")]


def options(section: type, above: str = "", *, on_command_line: bool = True) -> Iterator[ConfigKey]:
    """Yield the keys of a dataclass, including inherited ones, in field order.

    Args:
        section: a `Section` or a backend's options class.
        above: the path prefix of the section.
        on_command_line: whether the keys are command-line options as well; mappings never are.
    """
    hints = get_type_hints(section, include_extras=True)
    for field in dataclasses.fields(section):
        hint = hints[field.name]
        text = next(extra for extra in _extras(hint) if isinstance(extra, str))
        kind = get_args(hint)[0]
        is_mapping = _is_section(kind) or get_origin(kind) is dict
        key = ConfigKey(f"{above}{field.name}", _values(hint), _default(field.default), text)
        if on_command_line and not is_mapping:
            short = (extra.name for extra in _extras(hint) if isinstance(extra, ShortOption))
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
    """Yield the annotations of a type, last first, so that the field's precede those of its type."""
    if get_origin(hint) is Annotated:
        yield from reversed(hint.__metadata__)
    for inner in get_args(hint)[:1]:
        yield from _extras(inner)


def _metavar(hint: Any) -> str:
    """Return the placeholder of an option's value: its unit or its choices; empty for a flag."""
    unit = next((extra.name for extra in _extras(hint) if isinstance(extra, Metavar)), "")
    return unit or ("" if get_args(hint)[0] is bool else _values(hint).replace("`, `", "|").strip("`"))


def _values(hint: Any) -> str:
    """Return a description of the values of a type."""
    inner = get_args(hint)
    match get_origin(hint):
        case typing.Annotated:
            text = _values(inner[0]) + _limits(inner[1:])
        case typing.Literal:
            text = _choices(inner)
        case builtins.tuple:
            text = f"{_values(inner[0])}, or a list"
        case None if _is_section(hint):
            text = TYPE_NAMES[dict]
        case None if issubclass(hint, Enum):
            text = _choices([choice.value for choice in hint])
        case None | builtins.dict as kind:
            text = TYPE_NAMES[kind or hint]
        case _:  # a union
            text = ", or ".join(_values(kind) for kind in inner if kind is not NoneType)
    return text


def _choices(values: Iterable[object]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _limits(extras: tuple[Any, ...]) -> str:
    """Return the limits among the annotations: `, 0 to 1000`."""
    limits = (extra for extra in extras if isinstance(extra, Range))
    return "".join(
        f", more than {limit.minimum}, up to {limit.maximum}"
        if limit.exclusive
        else f", {limit.minimum} to {limit.maximum}"
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
