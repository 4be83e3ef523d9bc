"""`vipagent status`: owners, announcements and node states of services."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict

import click
from rich.console import Console, RenderableType
from rich.live import Live

from vipagent.cli.session import ANSWER_TIMEOUT, Latest, open_session, services, with_readable_store
from vipagent.cli.tables import event_tables, fact_tables, tables
from vipagent.config.settings import AgentConfig
from vipagent.store.layout import Directory, Kind
from vipagent.store.plugins import NullListener
from vipagent.telemetry.summary import ServiceStatus, summarize

Services = dict[str, tuple[str, ...]]
Draw = Callable[[Iterable[ServiceStatus], str], RenderableType]
"""Renders the services and the store's problem, if any."""


@click.command()
@click.argument("service", required=False)
@click.option("--json", "as_json", is_flag=True, help="JSON output: a list of services.")
@click.option("--events", is_flag=True, help="Show the latest route changes of each node and their causes.")
@click.option("--facts", is_flag=True, help="Show what each node asked for, and what ExaBGP made of it.")
@click.option(
    "--watch", is_flag=True, help="Keep running and show each change; with --json, print a line per change."
)
@with_readable_store
def command(
    target: AgentConfig, service: str | None, *, as_json: bool, events: bool, facts: bool, watch: bool
) -> None:
    """Show the owner and announcers of each VIP, the state of each node, and its problems.

    SERVICE defaults to all services of the configuration file. --events shows the last 10 route changes of
    each node since the start of its agent, with the time of the node's clock. --facts shows for each VIP and
    node the route that the node asked for, whether ExaBGP has accepted it and has it in its table, and
    whether the VIP is an address of the node; and for each node its BGP neighbours.

    If FILE is invalid, its problems are printed to stderr, and the exit status is 2; the status is shown all
    the same, unless the problems concern the store.

    \b
    --json prints a list of services, each with
      service       name
      maintenance   null, or reason, by, since, now: of the whole service
      vips          vip, registered, owner, holder, announced_by, asked_by:
                    [node, rank, reason, accepted, in_table, local, counted]
      nodes         node, state, why, since, neighbors, peers: [address, state,
                    local_as, peer_as, families, hold_time, interface]
      ignored       number of unknown entries in the store
      events        at, node, vip, old, new, reason, rule, cause: oldest first
      problems      reason, what, do, node, service, vip, neighbor: node is null
                    if no node announces a VIP (unserved)
    """  # noqa: D301 - click's mark for preformatted paragraphs
    selected = services(target, service)
    if as_json:
        (_follow_json if watch else _print_json)(target, selected)
    else:
        (_follow if watch else _print)(
            target, selected, event_tables if events else fact_tables if facts else tables
        )


def _read(target: AgentConfig, selected: Services) -> list[ServiceStatus]:
    with open_session(target, NullListener()) as backend:
        return [
            summarize(
                name, {kind: backend.read(Directory(kind, name), ANSWER_TIMEOUT) for kind in Kind}, pool
            )
            for name, pool in selected.items()
        ]


def _print(target: AgentConfig, selected: Services, draw: Draw) -> None:
    Console().print(draw(_read(target, selected), ""))


def _print_json(target: AgentConfig, selected: Services) -> None:
    click.echo(json.dumps([asdict(status) for status in _read(target, selected)], indent=2))


def _follow(target: AgentConfig, selected: Services, draw: Draw) -> None:
    """Redraw at each change."""
    latest = Latest()
    with (
        suppress(KeyboardInterrupt),
        open_session(target, latest) as backend,
        Live(auto_refresh=False) as live,
    ):
        for name in selected:
            for kind in Kind:
                backend.watch(Directory(kind, name), None)
        for _ in latest.changes():
            live.update(draw(_now(latest, selected), latest.store), refresh=True)


def _follow_json(target: AgentConfig, selected: Services) -> None:
    """Print a line at each change, once all directories are known."""
    latest = Latest()
    with suppress(KeyboardInterrupt), open_session(target, latest) as backend:
        directories = [Directory(kind, name) for name in selected for kind in Kind]
        for directory in directories:
            backend.watch(directory, None)
        for _ in latest.changes():
            if all(directory in latest.entries for directory in directories):
                click.echo(json.dumps([asdict(status) for status in _now(latest, selected)]))


def _now(latest: Latest, selected: Services) -> list[ServiceStatus]:
    return [
        summarize(
            name,
            {kind: latest.entries[key] for kind in Kind if (key := Directory(kind, name)) in latest.entries},
            pool,
        )
        for name, pool in selected.items()
    ]
