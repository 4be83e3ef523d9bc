"""Click's options, made from the schema: an option is described, and validated, in one place only."""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, TypeVar

import click
from pydantic.fields import FieldInfo

from vipagent.config.schema import AgentSection, Option, Section, ServiceSection

F = TypeVar("F", bound=Callable[..., Any])

STORE_KEYS = ("backend", "hosts", "prefix", "session_timeout")
"""How to reach a store, where there is no file that says so."""


def service_options(function: F) -> F:
    """Add every option of `vipagent run` but `--config` and `--service`."""
    return _add(function, [*_options(AgentSection), *_options(ServiceSection)])


def store_options(function: F) -> F:
    """Add the options that say where the store is."""
    return _add(function, [_option(key, AgentSection.model_fields[key]) for key in STORE_KEYS])


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given: the schema knows the defaults."""
    return {key: value for key, value in options.items() if value not in (None, (), False)}


def _options(section: type[Section]) -> Iterable[click.Option]:
    return [
        _option(key, field)
        for key, field in section.model_fields.items()
        if any(isinstance(extra, Option) for extra in field.metadata)
    ]


def _option(key: str, field: FieldInfo) -> click.Option:
    """Make an option that takes any text: the validation says what is wrong, of all options at once."""
    option = next(extra for extra in field.metadata if isinstance(extra, Option))
    names = [f"--{key.replace('_', '-')}", *([option.short] if option.short else [])]
    text = f"{field.description}{_default(field.default)}"
    if isinstance(field.default, bool):
        return click.Option(names, is_flag=True, help=text)
    return click.Option(names, multiple=isinstance(field.default, tuple), metavar=option.metavar, help=text)


def _default(value: object) -> str:
    if value in (None, (), False):
        return ""
    shown = value.value if isinstance(value, Enum) else f"{value:g}" if isinstance(value, float) else value
    return f"  [default: {shown}]"


def _add(function: F, options: Iterable[click.Option]) -> F:
    """Do what click's decorators do, for options that are made already."""
    parameters: list[click.Parameter] = getattr(function, "__click_params__", [])
    function.__click_params__ = [*parameters, *reversed(list(options))]  # type: ignore[attr-defined]
    return function
