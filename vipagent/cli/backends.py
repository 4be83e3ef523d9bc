"""`vipagent backends`: list the installed backends, and check a store's connection and permissions."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipagent.cli.options import load_target, store_location_options
from vipagent.cli.session import ANSWER_TIMEOUT, Latest, exit_on_error, open_session
from vipagent.config.settings import AgentConfig
from vipagent.store.backend import Backend, StoreError
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.plugins import available
from vipagent.store.records import Registration

PROBE_WRITES = 10
"""Number of timed writes, of which the median is reported."""
PROBE_SERVICE = "vipagent-check"
"""Name of the service used by the check; no agent serves it."""


@click.command()
@click.option("--check", is_flag=True, help="Check the store selected by the other options.")
@click.option("--json", "as_json", is_flag=True, help="JSON output.")
@store_location_options
def command(check: bool, as_json: bool, config: str | None, **options: Any) -> None:
    """List the installed backends and their missing dependencies.

    With --check, test whether the store is reachable and grants an agent's permissions, and measure its
    latency.
    """
    if not check:
        _list(as_json=as_json)
        return
    with exit_on_error():
        _check(load_target(config, options), as_json=as_json)


def _check(target: AgentConfig, *, as_json: bool) -> None:
    found = probe(target)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    click.echo(", ".join(filter(None, (f"{found.backend}: {found.detail}", found.version))))
    click.echo(f"connected in {found.connected_within * 1000:.0f} ms")
    click.echo(f"write: {found.write * 1000:.1f} ms, watch notification: {found.notice * 1000:.1f} ms")
    click.echo(f"registration: {found.register * 1000:.1f} ms")


def _list(*, as_json: bool) -> None:
    plugins = available()
    if as_json:
        click.echo(json.dumps([asdict(plugin) for plugin in plugins], indent=2))
        return
    table = Table("backend", "from", "state", box=None, pad_edge=False, header_style="dim")
    for plugin in plugins:
        state = Text(plugin.error, "red") if plugin.error else Text("ready", "green")
        table.add_row(Text(plugin.name), Text(plugin.distribution), state)
    Console().print(table)


@dataclass(frozen=True, slots=True)
class Findings:
    """Result of a check. Times are in seconds."""

    backend: str
    detail: str
    """Details of the session: host, version, negotiated timeout."""
    version: str
    """The store's software and version; empty if unknown or already part of `detail`."""
    connected_within: float
    write: float
    """Time from a write to its acknowledgement."""
    notice: float
    """Time from a write to the notification by a watch."""
    register: float
    """Time from a registration to the notification by a watch."""


def probe(target: AgentConfig) -> Findings:
    """Check a store with the operations of agents and operators, under a service name of the check.

    All entries are removed afterwards.

    Raises:
        StoreError: the store is unreachable or denies an operation.
    """
    keys, members = Directory(Kind.MAINTENANCE, PROBE_SERVICE), Directory(Kind.MEMBERS, PROBE_SERVICE)
    run = uuid.uuid4().hex
    latest = Latest()
    instance = replace(target, store=replace(target.store, instance=run))
    start = time.monotonic()
    with open_session(instance, latest) as backend:
        for directory in (keys, members):
            backend.watch(directory, None)
        _wait(latest, lambda: keys in latest.entries and members in latest.entries, "cannot be reached")
        connected_within = time.monotonic() - start
        writes = sorted(
            _write(backend, latest, Key(keys, f"{run}-{number}")) for number in range(PROBE_WRITES)
        )
        version = backend.version(ANSWER_TIMEOUT)
        registered = _register(backend, latest, Key(members, run))
    middle = writes[len(writes) // 2]
    return Findings(target.backend, latest.detail, version, connected_within, *middle, registered)


def _write(backend: Backend, latest: Latest, key: Key) -> tuple[float, float]:
    """Write a key; return the times until the acknowledgement and until the watch notification."""
    start = time.monotonic()
    backend.write(key, b"", ANSWER_TIMEOUT)
    written = time.monotonic() - start
    _wait(latest, lambda: key.name in latest.entries[key.directory], "sent no watch notification")
    noticed = time.monotonic() - start
    backend.erase(key, ANSWER_TIMEOUT)
    return written, noticed


def _register(backend: Backend, latest: Latest, key: Key) -> float:
    start = time.monotonic()
    backend.register(key, Registration(backend.settings.node, backend.settings.instance).dump())
    _wait(latest, lambda: key.name in latest.entries[key.directory], "did not show the registration")
    return time.monotonic() - start


def _wait(latest: Latest, condition: Callable[[], bool], error: str) -> None:
    if not latest.wait_until(condition, ANSWER_TIMEOUT):
        raise StoreError(f"{error} within {ANSWER_TIMEOUT:g} s: {latest.store or latest.detail}")
