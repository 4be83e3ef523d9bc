"""`vipagent backends`: the kinds of store that are installed, and whether one can be used from here."""

import json
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipagent.cli.probe import probe
from vipagent.cli.session import naming_store, reporting, store_of
from vipagent.config.settings import AgentConfig
from vipagent.store.plugins import available


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
