"""`vipagent backends`: the kinds of store that are installed, and whether one can be used from here."""

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

from vipagent.cli.session import ANSWER_WITHIN, Latest, connected, naming_store, reporting, store_of
from vipagent.config.settings import AgentConfig
from vipagent.store.backend import Backend, StoreError
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.plugins import available
from vipagent.store.records import Registration

ROUNDS = 10
"""Writes that are timed; the median counts."""
SERVICE = "vipagent-check"
"""The service that is used: nobody's."""


@click.command()
@click.option("--check", is_flag=True, help="Use the store that the other options name, and say how it went.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@naming_store
def command(check: bool, as_json: bool, config: str | None, **options: Any) -> None:
    """List the backends that are installed, and what is missing to use them.

    With --check: is the store reachable, does it allow what an agent needs, and how fast is it?
    """
    if not check:
        _list(as_json=as_json)
        return
    with reporting():
        _check(store_of(config, options), as_json=as_json)


def _check(target: AgentConfig, *, as_json: bool) -> None:
    found = probe(target)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    click.echo(", ".join(filter(None, (f"{found.backend}: {found.detail}", found.version))))
    click.echo(f"connected within {found.connected_within * 1000:.0f} ms")
    click.echo(
        f"a write takes {found.write * 1000:.1f} ms, and is noticed after {found.notice * 1000:.1f} ms"
    )
    click.echo(f"a registration is seen after {found.register * 1000:.1f} ms")


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
    """What was found out. Times in seconds."""

    backend: str
    detail: str
    """What the session says of itself: host, version, negotiated life."""
    version: str
    """What answers there, where the session does not say; empty: it is not known, or there already."""
    connected_within: float
    write: float
    """From a write to its acknowledgement."""
    notice: float
    """From a write to the notification of a watch of the same directory."""
    register: float
    """From a registration to its being seen."""


def probe(target: AgentConfig) -> Findings:
    """Use a store as an agent and an operator do: in a service of its own, of which no entry stays.

    Raises:
        StoreError: it cannot be reached, or does not allow what an agent needs.
    """
    keys, members = Directory(Kind.MAINTENANCE, SERVICE), Directory(Kind.MEMBERS, SERVICE)
    run = uuid.uuid4().hex
    latest = Latest()
    instance = replace(target, store=replace(target.store, instance=run))
    start = time.monotonic()
    with connected(instance, latest) as backend:
        for directory in (keys, members):
            backend.watch(directory, None)
        _wait(latest, lambda: keys in latest.entries and members in latest.entries, "cannot be reached")
        connected_within = time.monotonic() - start
        writes = sorted(_write(backend, latest, Key(keys, f"{run}-{number}")) for number in range(ROUNDS))
        version = backend.version(ANSWER_WITHIN)
        registered = _register(backend, latest, Key(members, run))
    middle = writes[len(writes) // 2]
    return Findings(target.backend, latest.detail, version, connected_within, *middle, registered)


def _write(backend: Backend, latest: Latest, key: Key) -> tuple[float, float]:
    """Return how long a write took, and how long until it was noticed."""
    start = time.monotonic()
    backend.write(key, b"", ANSWER_WITHIN)
    written = time.monotonic() - start
    _wait(latest, lambda: key.name in latest.entries[key.directory], "does not tell of changes")
    noticed = time.monotonic() - start
    backend.erase(key, ANSWER_WITHIN)
    return written, noticed


def _register(backend: Backend, latest: Latest, key: Key) -> float:
    start = time.monotonic()
    backend.register(key, Registration(backend.settings.node, backend.settings.instance).dump())
    _wait(latest, lambda: key.name in latest.entries[key.directory], "does not allow a registration")
    return time.monotonic() - start


def _wait(latest: Latest, condition: Callable[[], bool], trouble: str) -> None:
    if not latest.wait_until(condition, ANSWER_WITHIN):
        raise StoreError(f"{trouble} within {ANSWER_WITHIN:g} s: {latest.store or latest.detail}")
