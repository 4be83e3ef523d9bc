"""An operator's session with the store: connection, error reporting and received state."""

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import click

from vipagent.cli.options import STORE_KEYS, load_readable_target, load_target, store_location_options
from vipagent.config.problems import ConfigError, describe
from vipagent.config.settings import AgentConfig
from vipagent.config.values import name
from vipagent.store.backend import Backend, Listener, Snapshot, StoreError
from vipagent.store.layout import Directory
from vipagent.store.plugins import load
from vipagent.types import StoreState

F = TypeVar("F", bound=Callable[..., Any])

ANSWER_TIMEOUT = 5.0
"""Timeout of one request to the store, in seconds."""
DISCONNECT_TIMEOUT = 2.0
"""Timeout of the disconnection, in seconds."""
INVALID_FILE = "the file is invalid; using the store and the names of the services in it"
"""Printed after the problems of a file that are not about the store."""
OPERATOR = "operator"
"""Node name of an operator's session, which never registers anything."""


def with_store(function: F) -> F:
    """Add the options that select a store to a command, and pass the loaded configuration as `target`.

    The command exits with status 1 if the store fails, and with status 2 if the options are invalid.
    """

    @store_location_options
    @functools.wraps(function)
    def command(config: str | None, **options: Any) -> None:
        own = {key: value for key, value in options.items() if key not in STORE_KEYS}
        with exit_on_error():
            function(target=load_target(config, options), **own)

    return command  # type: ignore[return-value]


def with_readable_store(function: F) -> F:
    """Do the same for a command that only reads the store.

    An invalid file does not stop it, as long as the store can be told from the file: the command prints the
    problems, and exits with status 2 afterwards.
    """

    @store_location_options
    @functools.wraps(function)
    def command(config: str | None, **options: Any) -> None:
        own = {key: value for key, value in options.items() if key not in STORE_KEYS}
        with exit_on_error():
            target, problems = load_readable_target(config, options)
            if problems:
                click.echo(f"{describe(problems)}\n{INVALID_FILE}", err=True)
            read_only = replace(target, store=replace(target.store, read_only=True))
            function(target=read_only, **own)
        if problems:
            sys.exit(2)

    return command  # type: ignore[return-value]


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print configuration and store errors, and exit with status 2 or 1."""
    try:
        yield
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except StoreError as error:
        click.echo(f"store: {error}", err=True)
        sys.exit(1)


@contextmanager
def open_session(target: AgentConfig, listener: Listener) -> Iterator[Backend]:
    """Open a session with the store and close it on exit."""
    backend = load(target.backend)(replace(target.store, node=OPERATOR), listener)
    backend.open()
    try:
        yield backend
    finally:
        backend.close(DISCONNECT_TIMEOUT)


def services(target: AgentConfig, service: str | None) -> dict[str, tuple[str, ...]]:
    """Return the selected services with their configured VIPs.

    Raises:
        click.UsageError: no service is given and none is configured, or the service is unknown.
    """
    configured = {service.name: service.core.pool for service in target.services}
    if service is None:
        if not configured:
            raise click.UsageError("missing SERVICE (or --config FILE for all services in it)")
        return configured
    if configured and service not in configured:
        raise click.UsageError(
            f"no service {service!r} in the configuration: configured services are {', '.join(configured)}"
        )
    try:
        return {name(service): configured.get(service, ())}
    except ValueError as error:
        raise click.UsageError(f"{service!r} {error}") from None


class Latest:
    """A listener that keeps the latest snapshot of each directory and notifies waiting threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._revision = 0
        self.store = "not connected yet"
        """Description of the session's state; empty while connected."""
        self.detail = ""
        """Details of the session's latest state."""
        self.entries: dict[Directory, Snapshot] = {}

    def session(self, state: StoreState, detail: str) -> None:
        """Store the session's state."""
        with self._changed:
            self.detail = detail
            self.store = "" if state is StoreState.CONNECTED else f"{state}: {detail}"
            self._wake()

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Store a snapshot."""
        with self._changed:
            self.entries[directory] = entries
            self._wake()

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait up to `timeout` seconds for a condition on the received state; return whether it holds."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def changes(self) -> Iterator[None]:
        """Yield at once and after each change; changes in quick succession are merged."""
        revision = -1
        while True:
            revision = self._wait_for_revision_after(revision)
            yield

    def _wait_for_revision_after(self, revision: int) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._revision != revision)
            return self._revision

    def _wake(self) -> None:
        self._revision += 1
        self._changed.notify_all()
