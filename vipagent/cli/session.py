"""An operator's session with the store: where it is, who asks, and what to do when it does not answer."""

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import click

from vipagent.cli.options import STORE_KEYS, given, store_options
from vipagent.config import lookup
from vipagent.config.load import load_file, load_store
from vipagent.config.problems import ConfigError
from vipagent.config.settings import AgentConfig
from vipagent.config.values import name
from vipagent.store.backend import Backend, Listener, Snapshot, StoreError
from vipagent.store.layout import Directory
from vipagent.store.plugins import load
from vipagent.types import StoreState

F = TypeVar("F", bound=Callable[..., None])

ANSWER_WITHIN = 5.0
"""Seconds that a store gets to answer."""
CLOSE_WITHIN = 2.0
INSTEAD = "give --config FILE, or say where the store is (--backend, --hosts, ...)"
"""What can be done without a configuration."""
OPERATOR = "operator"
"""Whose session it is, where a node's name is wanted; it never registers anything."""


def naming_store(function: F) -> F:
    """Give a command the options that say where the store is, for `store_of`."""
    config = click.option(
        "--config",
        metavar="FILE",
        help=f"The agent's configuration, which says where the store is; without it and the options below, "
        f"{lookup.ORDER}.",
    )
    return config(store_options(function))


def store_of(config: str | None, options: Mapping[str, Any]) -> AgentConfig:
    """Return what the options of `naming_store` say or, if none was given, the configuration that is found.

    Raises:
        ConfigError: they, or the file, cannot be used.
        click.UsageError: they contradict each other.
    """
    reaching = given({key: options[key] for key in STORE_KEYS})
    if config is not None and reaching:
        raise click.UsageError("--config says where the store is: leave the other options out")
    if reaching and not {"backend", "hosts"} & reaching.keys():
        raise click.UsageError("these options do not say where the store is: give --backend and --hosts, too")
    return load_store(reaching) if reaching else load_file(lookup.find(config, INSTEAD))


def with_store(function: F) -> F:
    """Give a command the options that say where the store is, and the `target` that they mean.

    A store that does not answer ends the command with status 1, options that make no sense with status 2.
    """

    @naming_store
    @functools.wraps(function)
    def command(config: str | None, **options: Any) -> None:
        own = {key: value for key, value in options.items() if key not in STORE_KEYS}
        with reporting():
            function(target=store_of(config, options), **own)

    return command  # type: ignore[return-value]


@contextmanager
def reporting() -> Iterator[None]:
    """End with status and message for what an operator can do something about."""
    try:
        yield
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except StoreError as error:
        click.echo(f"store: {error}", err=True)
        sys.exit(1)


@contextmanager
def connected(target: AgentConfig, listener: Listener) -> Iterator[Backend]:
    """Open a session that ends with the command."""
    backend = load(target.backend)(replace(target.store, node=OPERATOR), listener)
    backend.open()
    try:
        yield backend
    finally:
        backend.close(CLOSE_WITHIN)


def services(target: AgentConfig, asked: str | None) -> dict[str, tuple[str, ...]]:
    """Return the services that are meant, with their VIPs as far as they are configured.

    Raises:
        click.UsageError: none is named, or one that is not there.
    """
    configured = {service.name: service.core.pool for service in target.services}
    if asked is None:
        if not configured:
            raise click.UsageError("which service? Name it, or give --config FILE for all that the file has")
        return configured
    if configured and asked not in configured:
        raise click.UsageError(
            f"no service {asked!r} in the configuration: there are {', '.join(configured)}"
        )
    try:
        return {name(asked): configured.get(asked, ())}
    except ValueError as error:
        raise click.UsageError(f"{asked!r} {error}") from None


class Latest:
    """A listener that keeps the last snapshot of each directory, and wakes up who waits for another."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._seen = 0
        self.store = "not connected yet"
        """The state of the session, in words; empty: connected."""
        self.detail = ""
        """What the session said last of itself."""
        self.entries: dict[Directory, Snapshot] = {}

    def session(self, state: StoreState, detail: str) -> None:
        """Take the session's state."""
        with self._news:
            self.detail = detail
            self.store = "" if state is StoreState.CONNECTED else f"{state}: {detail}"
            self._wake()

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Take a snapshot."""
        with self._news:
            self.entries[directory] = entries
            self._wake()

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait for a condition on what is kept here; return whether it came true within `timeout` seconds."""
        with self._news:
            return self._news.wait_for(condition, timeout)

    def changes(self) -> Iterator[None]:
        """Yield now, and after each change; quick ones are merged."""
        seen = -1
        while True:
            seen = self._after(seen)
            yield

    def _after(self, seen: int) -> int:
        with self._news:
            self._news.wait_for(lambda: self._seen != seen)
            return self._seen

    def _wake(self) -> None:
        self._seen += 1
        self._news.notify_all()
