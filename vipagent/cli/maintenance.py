"""`vipagent maintenance`: an operator's keys in the store (H2, H5)."""

import getpass
import os
import socket
import sys
from datetime import UTC, datetime

import click

from vipagent.cli.session import ANSWER_WITHIN, Latest, connected, services, with_store
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
    "--node", metavar="NODE", callback=_valid_node, help="This node alone; by default the whole service."
)


@click.group()
def command() -> None:
    """Put a service, or one node of it, in maintenance.

    A service in maintenance is announced by nobody. A node in maintenance is drained: the others take its
    VIP over first. The key stays in the store until it is removed, whatever becomes of the agents.
    """


@command.command()
@click.argument("service")
@_node
@click.option("--reason", metavar="TEXT", default="", help="Why: for whoever looks at the status.")
@click.option("--now", is_flag=True, help="Skip the drain.")
@click.option("--wait", is_flag=True, help="Return only when nothing is announced any more.")
@click.option(
    "--timeout", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True), default=60.0,
    show_default=True, help="How long to wait; exit status 1 if that was too short.",
)  # fmt: skip
@with_store
def on(
    *, target: AgentConfig, service: str, node: str | None, reason: str, now: bool, wait: bool, timeout: float
) -> None:
    """Put SERVICE, or one node of it, in maintenance."""
    services(target, service)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    key = Key(Directory(Kind.MAINTENANCE, service), node or WHOLE_SERVICE)
    latest = Latest()
    with connected(target, latest) as backend:
        backend.write(key, Maintenance(reason, _who(), since, now).dump(), ANSWER_WITHIN)
        click.echo(f"{_name(service, node)}: in maintenance")
        left = _wait(backend, latest, key.directory.service, node, timeout) if wait else []
    for line in left:
        click.echo(f"still announced after {timeout:g} s: {line}", err=True)
    sys.exit(1 if left else 0)


@command.command()
@click.argument("service")
@_node
@with_store
def off(target: AgentConfig, service: str, node: str | None) -> None:
    """End the maintenance of SERVICE, or of one node of it."""
    services(target, service)
    key = Key(Directory(Kind.MAINTENANCE, service), node or WHOLE_SERVICE)
    with connected(target, NullListener()) as backend:
        there = backend.erase(key, ANSWER_WITHIN)
    click.echo(f"{_name(service, node)}: {'maintenance ended' if there else 'was not in maintenance'}")


@command.command(name="list")
@click.argument("service", required=False)
@with_store
def list_(target: AgentConfig, service: str | None) -> None:
    """List what is in maintenance, who has put it there, when, and why."""
    with connected(target, NullListener()) as backend:
        for name in services(target, service):
            entries = backend.read(Directory(Kind.MAINTENANCE, name), ANSWER_WITHIN)
            for key in sorted(filter(_meant, entries)):
                node = None if key == WHOLE_SERVICE else key
                click.echo(f"{_name(name, node)}: {Maintenance.load(entries[key].value).describe()}")


def _wait(backend: Backend, latest: Latest, service: str, node: str | None, timeout: float) -> list[str]:
    """Wait until nothing is announced any more; return what still is."""
    states = Directory(Kind.STATES, service)

    def left() -> list[str]:
        if states not in latest.entries:
            return ["nobody knows: the store has not told the nodes' states"]
        return announced(summarize(service, {Kind.STATES: latest.entries[states]}), node)

    backend.watch(states, None)
    latest.wait_until(lambda: not left(), timeout)
    return left()


def _meant(key: str) -> bool:
    """Say whether a key is a maintenance: anything may lie there (S1)."""
    return key == WHOLE_SERVICE or is_node(key)


def _name(service: str, node: str | None) -> str:
    return service if node is None else f"{service} on {node}"


def _who() -> str:
    """Return the person behind the command, root's own name aside, and the host."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
