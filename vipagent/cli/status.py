"""`vipagent status`: who owns, who announces, and why a node does not do what it should."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict

import click
from rich.console import Console, RenderableType
from rich.live import Live

from vipagent.cli.session import ANSWER_WITHIN, Latest, connected, services, with_store
from vipagent.cli.tables import event_tables, tables
from vipagent.config.settings import AgentConfig
from vipagent.store.layout import Directory, Kind
from vipagent.store.plugins import NullListener
from vipagent.telemetry.summary import ServiceStatus, summarize

Services = dict[str, tuple[str, ...]]
Draw = Callable[[Iterable[ServiceStatus], str], RenderableType]
"""Makes something to look at from the services and from what is wrong with the store."""


@click.command()
@click.argument("service", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable: a list of services.")
@click.option("--events", is_flag=True, help="Show instead what each node has decided last, and why.")
@click.option("--watch", is_flag=True, help="Stay, and show each change; with --json a line per change.")
@with_store
def command(target: AgentConfig, service: str | None, as_json: bool, events: bool, watch: bool) -> None:
    """Show, for SERVICE or all in the file, each VIP's owner and announcers, each node's state and why.

    --events are the changes of routes, the last 10 of each node since its agent's start, by its own clock.

    \b
    --json is a list of services, each with
      service       its name
      maintenance   null, or reason, by, since, now: of the whole service
      vips          vip, registered, owner, announced_by: [node, rank, reason]
      nodes         node, state, why, since, neighbors
      ignored       how many entries of the store mean nothing here
      events        at, node, vip, old, new, reason, rule, cause: earliest first
    """  # noqa: D301 - click's mark for lines that stay as they are
    wanted = services(target, service)
    if as_json:
        (_follow_json if watch else _print_json)(target, wanted)
    else:
        (_follow if watch else _print)(target, wanted, event_tables if events else tables)


def _read(target: AgentConfig, wanted: Services) -> list[ServiceStatus]:
    with connected(target, NullListener()) as backend:
        return [
            summarize(name, {kind: backend.read(Directory(kind, name), ANSWER_WITHIN) for kind in Kind}, pool)
            for name, pool in wanted.items()
        ]


def _print(target: AgentConfig, wanted: Services, draw: Draw) -> None:
    Console().print(draw(_read(target, wanted), ""))


def _print_json(target: AgentConfig, wanted: Services) -> None:
    click.echo(json.dumps([asdict(status) for status in _read(target, wanted)], indent=2))


def _follow(target: AgentConfig, wanted: Services, draw: Draw) -> None:
    """Draw anew at each change."""
    latest = Latest()
    with suppress(KeyboardInterrupt), connected(target, latest) as backend, Live(auto_refresh=False) as live:
        for name in wanted:
            for kind in Kind:
                backend.watch(Directory(kind, name), None)
        for _ in latest.changes():
            live.update(draw(_now(latest, wanted), latest.store), refresh=True)


def _follow_json(target: AgentConfig, wanted: Services) -> None:
    """Write a line at each change, once there is something to say."""
    latest = Latest()
    with suppress(KeyboardInterrupt), connected(target, latest) as backend:
        directories = [Directory(kind, name) for name in wanted for kind in Kind]
        for directory in directories:
            backend.watch(directory, None)
        for _ in latest.changes():
            if all(directory in latest.entries for directory in directories):
                click.echo(json.dumps([asdict(status) for status in _now(latest, wanted)]))


def _now(latest: Latest, wanted: Services) -> list[ServiceStatus]:
    return [
        summarize(name, {kind: latest.entries.get(Directory(kind, name), {}) for kind in Kind}, pool)
        for name, pool in wanted.items()
    ]
