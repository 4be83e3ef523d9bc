"""`vipagent import-exazk`: the configuration that replaces the ExaZKs of one node."""

import click

from vipagent.cli.importing import show
from vipagent.migration.exazk import read


@click.command()
@click.option("--node", metavar="NODE", help="This node's name.  [default: the end of zk_path_maintenance]")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def command(node: str | None, files: tuple[str, ...]) -> None:
    """Print our configuration for the ExaZKs of one node: YAML on stdout.

    Each FILE is ExaZK's own YAML, or an exabgp.conf whose processes run exazk with options. Several
    become one configuration with several services. What has no counterpart is a comment, what you have to
    decide is marked TODO, and listed on stderr.
    """
    show("import-exazk", files, read, {"node": node} if node else {})
