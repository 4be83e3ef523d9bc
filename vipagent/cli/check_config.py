"""`vipagent check-config`: everything that is wrong with a file, before an agent gets it."""

import click

from vipagent.cli.session import reporting
from vipagent.config.load import load_file


@click.command()
@click.argument("file")
def command(file: str) -> None:
    """Check FILE; every problem of it is a line on stderr, and the exit status is 2."""
    with reporting():
        config = load_file(file)
    services = ", ".join(f"{service.name} ({len(service.core.pool)} VIPs)" for service in config.services)
    click.echo(f"{file}: good: node {config.store.node}, backend {config.backend}, {services}")
