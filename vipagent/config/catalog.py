"""Every key of the configuration as plain data, from the schema: for documentation and manual pages."""

import builtins
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from vipagent.config.schema import AgentSection, Option, Section, ServiceSection

SERVICE = "services.NAME"
"""Where a service's keys lie; NAME is the service's."""
KINDS = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text", dict: "mapping"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file."""

    path: str
    """`services.NAME.flap_hold.seconds`."""
    values: str
    """What it takes, in words, with its limits; choices and literals are in backquotes."""
    default: str
    """As it would be written; empty: none."""
    option: str
    """`-i, --interval SECONDS`: the same on the command line of `vipagent run`; empty: only in a file."""
    text: str
    """What it means."""


def keys() -> list[Key]:
    """Return every key, in the order of the schema, the agent's before the services'."""
    return [*_keys(AgentSection, ""), *_keys(ServiceSection, f"{SERVICE}.")]


def _keys(section: type[Section], above: str) -> Iterator[Key]:
    hints = get_type_hints(section, include_extras=True)
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            yield Key(f"{above}{name}", KINDS[dict], "", "", field.description or "")
            yield from _keys(inner, f"{above}{name}.")
            continue
        yield Key(
            path=f"{above}{name}",
            values=_values(hints[name]),
            default=_default(field.default),
            option=_option(name, field),
            text=field.description or "",
        )


def _option(name: str, field: FieldInfo) -> str:
    found = next((extra for extra in field.metadata if isinstance(extra, Option)), None)
    if found is None:
        return ""
    spellings = [*([found.short] if found.short else []), f"--{name.replace('_', '-')}"]
    return f"{', '.join(spellings)} {found.metavar}".strip()


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
    said = []
    for extra in extras:
        for limit in extra.metadata if isinstance(extra, FieldInfo) else ():
            match limit:
                case Ge(least):
                    said.append(f", {least}")
                case Gt(least):
                    said.append(f", more than {least}, up")
                case Le(most):
                    said.append(f" to {most}")
    return "".join(said)


def _default(value: object) -> str:
    match value:
        case None | () | {}:
            return ""
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case float():
            return f"{value:g}"
    return str(value)
