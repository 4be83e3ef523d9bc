"""`vipagent import-healthcheck`: the configuration that replaces ExaBGP's healthchecks on one node."""

from typing import Any

import click

from vipagent.cli.importing import show
from vipagent.cli.options import given, store_options
from vipagent.migration.healthcheck import read


@click.command()
@click.option("--node", metavar="NODE", help="This node's name.  [default: the host's name]")
@store_options
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def command(files: tuple[str, ...], **options: Any) -> None:
    """Print our configuration for ExaBGP's healthchecks of one node: YAML on stdout.

    Each FILE is healthcheck's own (its --config), or an exabgp.conf whose processes run healthcheck.
    Several become one configuration with several services. healthcheck knows no store: say here, or in the
    file afterwards, where yours is. What has no counterpart is a comment, what you have to decide is marked
    TODO, and listed on stderr.
    """
    show("import-healthcheck", files, read, given(options))
