"""Click's options, made from where they are stated."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, TypeVar

import click

from vipagent.config.catalog import Key, keys
from vipagent.store.backend import StoreOptions

F = TypeVar("F", bound=Callable[..., Any])

STORE_KEYS = ("backend", *(option.name for option in fields(StoreOptions)))
"""How to reach a store, where there is no file that says so."""


def service_options(function: F) -> F:
    """Add every option of `vipagent run` but `--config` and `--service`."""
    return _add(function, keys())


def store_options(function: F) -> F:
    """Add the options that say where the store is."""
    return _add(function, [key for key in keys() if key.path in STORE_KEYS])


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given: the schema knows the defaults."""
    return {key: value for key, value in options.items() if value not in (None, (), False)}


def _option(key: Key) -> click.Option:
    """Make an option that takes any text: the validation says what is wrong, of all options at once."""
    names = [*reversed(key.names)]
    if not key.metavar:
        return click.Option(names, is_flag=True, help=key.text)
    text = f"{key.text}  [default: {key.default}]" if key.default else key.text
    return click.Option(names, multiple=key.repeatable, metavar=key.metavar, help=text)


def _add(function: F, described: Iterable[Key]) -> F:
    """Do what click's decorators do, for options that are made already."""
    options = [_option(key) for key in described if key.names]
    parameters: list[click.Parameter] = getattr(function, "__click_params__", [])
    function.__click_params__ = [*parameters, *reversed(options)]  # type: ignore[attr-defined]
    return function
