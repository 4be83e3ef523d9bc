"""Commands on configuration files: `vipagent check-config`, `import-exazk` and `import-healthcheck`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from vipagent.cli.options import given, store_options
from vipagent.cli.session import exit_on_error
from vipagent.cli.texts import counted
from vipagent.config import lookup
from vipagent.config.load import load_file
from vipagent.migration import exazk, healthcheck, render
from vipagent.migration.draft import Reading, Value, todos
from vipagent.migration.join import imported


@click.command()
@click.argument("file", required=False)
def check_config(file: str | None) -> None:
    """Validate FILE. Problems are printed to stderr, one per line, and the exit status is 2.

    FILE defaults to $VIPAGENT_CONFIG, else /etc/vipagent/vipagent.yaml, as in the other commands.
    """
    with exit_on_error():
        path = lookup.find(file, "specify FILE")
        config = load_file(path)
    services = ", ".join(
        f"{service.name} ({counted(len(service.core.pool), 'VIP')})" for service in config.services
    )
    click.echo(f"{path}: valid: node {config.store.node}, backend {config.backend}, {services}")


def _show(
    command: str, files: Sequence[str], read: Callable[[Path], Reading], chosen: Mapping[str, Value]
) -> None:
    """Print the converted configuration, or print all problems and exit with status 2."""
    with exit_on_error():
        draft = imported(files, read, chosen)
    click.echo(render.text(draft, f"vipagent {command} {' '.join(files)}"), nl=False)
    for left_out in draft.left_out:
        click.echo(f"left out: {render.one_line(str(left_out))}", err=True)
    remaining = todos(draft)
    services = ", ".join(service.name for service in draft.services)
    click.echo(f"imported: {services}; left to decide: {len(remaining)}", err=True)
    for service, text in remaining:
        click.echo(f"  {service}: {render.one_line(text)}", err=True)


@click.command()
@click.option(
    "--node", metavar="NODE", help="Name of this node.  [default: the last element of zk_path_maintenance]"
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def import_exazk(node: str | None, files: tuple[str, ...]) -> None:
    """Convert the ExaZK configurations of one node and print YAML on stdout.

    Each FILE is an ExaZK configuration in YAML, or an exabgp.conf whose processes run exazk with options.
    Several files become one configuration with several services. Settings without a counterpart become
    comments; decisions left to you are marked TODO and listed on stderr.
    """
    _show("import-exazk", files, exazk.read, {"node": node} if node else {})


@click.command()
@click.option("--node", metavar="NODE", help="Name of this node.  [default: the host's name]")
@store_options
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def import_healthcheck(files: tuple[str, ...], **options: Any) -> None:
    """Convert the ExaBGP healthcheck configurations of one node and print YAML on stdout.

    Each FILE is a healthcheck configuration (its --config), or an exabgp.conf whose processes run
    healthcheck. Several files become one configuration with several services. healthcheck uses no store:
    specify yours here, or in the file afterwards. Settings without a counterpart become comments; decisions
    left to you are marked TODO and listed on stderr.
    """
    _show("import-healthcheck", files, healthcheck.read, given(options))
