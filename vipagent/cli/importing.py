"""`vipagent import-exazk`, `import-healthcheck`: a configuration on stdout, what is left to do on stderr."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from vipagent.cli.options import given, store_options
from vipagent.cli.session import reporting
from vipagent.migration import exazk, healthcheck, render
from vipagent.migration.draft import Reading, Value, todos
from vipagent.migration.join import imported


def _show(
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


@click.command()
@click.option("--node", metavar="NODE", help="This node's name.  [default: the end of zk_path_maintenance]")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def import_exazk(node: str | None, files: tuple[str, ...]) -> None:
    """Print our configuration for the ExaZKs of one node: YAML on stdout.

    Each FILE is ExaZK's own YAML, or an exabgp.conf whose processes run exazk with options. Several
    become one configuration with several services. What has no counterpart is a comment, what you have to
    decide is marked TODO, and listed on stderr.
    """
    _show("import-exazk", files, exazk.read, {"node": node} if node else {})


@click.command()
@click.option("--node", metavar="NODE", help="This node's name.  [default: the host's name]")
@store_options
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def import_healthcheck(files: tuple[str, ...], **options: Any) -> None:
    """Print our configuration for ExaBGP's healthchecks of one node: YAML on stdout.

    Each FILE is healthcheck's own (its --config), or an exabgp.conf whose processes run healthcheck.
    Several become one configuration with several services. healthcheck knows no store: say here, or in the
    file afterwards, where yours is. What has no counterpart is a comment, what you have to decide is marked
    TODO, and listed on stderr.
    """
    _show("import-healthcheck", files, healthcheck.read, given(options))
