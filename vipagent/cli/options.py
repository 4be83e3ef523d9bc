"""Click options generated from the catalog of configuration keys, and the options that select a store."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from vipagent.config import lookup
from vipagent.config.catalog import ConfigKey, keys
from vipagent.config.load import load_file, load_readable, load_store
from vipagent.config.problems import ConfigError, Problem
from vipagent.config.settings import AgentConfig
from vipagent.store.backend import StoreOptions

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

STORE_HINT = "specify --config FILE or the store (--backend, --hosts, ...)"
"""Advice to an operator without a configuration."""
INVALID_FILE_HINT = "invalid: correct it, or specify the store instead (--backend, --hosts, ...)"
"""Advice to an operator whose file is invalid."""
STORE_KEYS = ("backend", *(option.name for option in fields(StoreOptions)))
"""Keys that select a store in place of a configuration file."""


def service_options(function: F) -> F:
    """Add all options of `vipagent run` except `--config` and `--service`."""
    return _add(function, keys())


def store_options(function: F) -> F:
    """Add the options in `STORE_KEYS`."""
    return _add(function, [key for key in keys() if key.path in STORE_KEYS])


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; the schema supplies the defaults of the others."""
    return {key: value for key, value in options.items() if value not in (None, (), False)}


def _option(key: ConfigKey) -> click.Option:
    """Return an option that accepts any text: the validation reports the problems of all options at once."""
    names = [*reversed(key.names)]
    if not key.metavar:
        return click.Option(names, is_flag=True, help=key.text)
    text = f"{key.text}  [default: {key.default}]" if key.default else key.text
    return click.Option(names, multiple=key.repeatable, metavar=key.metavar, help=text)


def _add(function: F, described: Iterable[ConfigKey]) -> F:
    """Add options to a function, as click's decorators do."""
    options = [_option(key) for key in described if key.names]
    parameters: list[click.Parameter] = getattr(function, "__click_params__", [])
    function.__click_params__ = [*parameters, *reversed(options)]  # type: ignore[attr-defined]
    return function


def store_location_options(function: F) -> F:
    """Add `--config` and the options in `STORE_KEYS` to a command, for use with `load_target`."""
    config = click.option(
        "--config",
        metavar="FILE",
        help="Configuration file of the agent, from which the store's options are read (default: "
        f"{lookup.LOOKUP_ORDER}).",
    )
    return config(store_options(function))


def load_target(config: str | None, options: Mapping[str, Any]) -> AgentConfig:
    """Return the configuration given by the options that select a store, or by the configuration file.

    Raises:
        ConfigError: the options or the file are invalid.
        click.UsageError: the options contradict each other.
    """
    store = _store_options(config, options)
    return load_store(store) if store else _from_file(load_file, config)


def load_readable_target(
    config: str | None, options: Mapping[str, Any]
) -> tuple[AgentConfig, tuple[Problem, ...]]:
    """Do the same for a command that only reads the store; also return the problems of the rest of the file.

    Raises:
        ConfigError: the options are invalid, or the store cannot be told from the file.
        click.UsageError: the options contradict each other.
    """
    store = _store_options(config, options)
    return (load_store(store), ()) if store else _from_file(load_readable, config)


def _from_file(load: Callable[[Path], T], config: str | None) -> T:
    """Load the file; if it is invalid, add a hint to the error."""
    path = lookup.find(config, STORE_HINT)
    try:
        return load(path)
    except ConfigError as error:
        raise ConfigError([*error.problems, Problem(str(path), "", None, INVALID_FILE_HINT)]) from None


def _store_options(config: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    store = given({key: options[key] for key in STORE_KEYS})
    if config is not None and store:
        raise click.UsageError("--config cannot be combined with --backend, --hosts and the like")
    if store and not {"backend", "hosts"} & store.keys():
        raise click.UsageError("missing --backend and --hosts: the given options do not identify a store")
    return store
