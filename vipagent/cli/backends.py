"""`vipagent backends`: the kinds of store that are installed."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipagent.store.plugins import available


@click.command()
@click.option(
    "--json", "as_json", is_flag=True, help="Machine-readable: a list of name, distribution, error."
)
def command(as_json: bool) -> None:
    """List the backends that are installed, and what is missing to use them."""
    plugins = available()
    if as_json:
        click.echo(json.dumps([asdict(plugin) for plugin in plugins], indent=2))
        return
    table = Table("backend", "from", "state", box=None, pad_edge=False, header_style="dim")
    for plugin in plugins:
        state = Text(plugin.error, "red") if plugin.error else Text("ready", "green")
        table.add_row(Text(plugin.name), Text(plugin.distribution), state)
    Console().print(table)
