"""`vipagent maintenance`: set, remove and list maintenance keys in the store (H2, H5)."""

import getpass
import os
import socket
import sys
from datetime import UTC, datetime

import click

from vipagent.cli.session import (
    ANSWER_TIMEOUT,
    Latest,
    open_session,
    services,
    with_readable_store,
    with_store,
)
from vipagent.config.settings import AgentConfig
from vipagent.config.values import node_name
from vipagent.store.backend import Backend
from vipagent.store.layout import WHOLE_SERVICE, Directory, Key, Kind
from vipagent.store.plugins import NullListener
from vipagent.store.records import Maintenance
from vipagent.telemetry.summary import announced, is_node, summarize


def _valid_node(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    try:
        return None if given is None else node_name(given)
    except ValueError as error:
        raise click.BadParameter(f"{given!r} {error}") from None


_node = click.option(
    "--node", metavar="NODE", callback=_valid_node, help="Node of the service (default: the whole service)."
)


@click.group()
def command() -> None:
    """Manage the maintenance of a service or of one of its nodes.

    No node announces a service in maintenance. A node in maintenance is drained: the others take over its
    VIP first. Maintenance is stored as a key that persists until removed, even if all agents stop.
    """


@command.command()
@click.argument("service")
@_node
@click.option("--reason", metavar="TEXT", default="", help="Reason shown in the status.")
@click.option("--now", is_flag=True, help="Skip the drain.")
@click.option("--wait", is_flag=True, help="Wait until all routes are withdrawn.")
@click.option(
    "--timeout", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True), default=60.0,
    show_default=True, help="Timeout of --wait, in seconds; the exit status is 1 if it expires.",
)  # fmt: skip
@with_store
def on(
    *, target: AgentConfig, service: str, node: str | None, reason: str, now: bool, wait: bool, timeout: float
) -> None:
    """Start maintenance of SERVICE or of one of its nodes."""
    services(target, service)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    key = Key(Directory(Kind.MAINTENANCE, service), node or WHOLE_SERVICE)
    latest = Latest()
    with open_session(target, latest) as backend:
        backend.write(key, Maintenance(reason, _user_and_host(), since, now).dump(), ANSWER_TIMEOUT)
        click.echo(f"{_name(service, node)}: in maintenance")
        remaining = _wait(backend, latest, key.directory.service, node, timeout) if wait else []
    for line in remaining:
        click.echo(f"still announced after {timeout:g} s: {line}", err=True)
    sys.exit(1 if remaining else 0)


@command.command()
@click.argument("service")
@_node
@with_store
def off(target: AgentConfig, service: str, node: str | None) -> None:
    """End maintenance of SERVICE or of one of its nodes."""
    services(target, service)
    key = Key(Directory(Kind.MAINTENANCE, service), node or WHOLE_SERVICE)
    with open_session(target, NullListener()) as backend:
        existed = backend.erase(key, ANSWER_TIMEOUT)
    click.echo(f"{_name(service, node)}: {'maintenance ended' if existed else 'was not in maintenance'}")


@command.command(name="list")
@click.argument("service", required=False)
@with_readable_store
def list_(target: AgentConfig, service: str | None) -> None:
    """List services and nodes in maintenance, with user, start time and reason."""
    with open_session(target, NullListener()) as backend:
        for name in services(target, service):
            entries = backend.read(Directory(Kind.MAINTENANCE, name), ANSWER_TIMEOUT)
            for key in sorted(filter(_is_maintenance_key, entries)):
                node = None if key == WHOLE_SERVICE else key
                click.echo(f"{_name(name, node)}: {Maintenance.load(entries[key].value).describe()}")


def _wait(backend: Backend, latest: Latest, service: str, node: str | None, timeout: float) -> list[str]:
    """Wait until all routes are withdrawn; return the remaining announcements."""
    states = Directory(Kind.STATES, service)

    def remaining() -> list[str]:
        if states not in latest.entries:
            return ["no node state received from the store yet"]
        return announced(summarize(service, {Kind.STATES: latest.entries[states]}), node)

    backend.watch(states, None)
    latest.wait_until(lambda: not remaining(), timeout)
    return remaining()


def _is_maintenance_key(key: str) -> bool:
    """Return whether an entry is a maintenance key: the directory may contain foreign entries (S1)."""
    return key == WHOLE_SERVICE or is_node(key)


def _name(service: str, node: str | None) -> str:
    return service if node is None else f"{service} on {node}"


def _user_and_host() -> str:
    """Return USER@HOST; under sudo, the invoking user."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
