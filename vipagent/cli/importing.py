"""What the two import commands share: one file from many on stdout, what is left to do on stderr."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from vipagent.cli.session import reporting
from vipagent.migration import render
from vipagent.migration.draft import Reading, Value, todos
from vipagent.migration.join import imported


def show(
    command: str, files: Sequence[str], read: Callable[[Path], Reading], chosen: Mapping[str, Value]
) -> None:
    """Print the configuration that files come to, or end with status 2 and all that is wrong with them."""
    with reporting():
        draft = imported(files, read, chosen)
    click.echo(render.text(draft, f"vipagent {command} {' '.join(files)}"), nl=False)
    for left_out in draft.left_out:
        click.echo(f"left out: {render.one_line(str(left_out))}", err=True)
    left = todos(draft)
    services = ", ".join(service.name for service in draft.services)
    click.echo(f"imported: {services}; left to decide: {len(left)}", err=True)
    for service, text in left:
        click.echo(f"  {service}: {render.one_line(text)}", err=True)
