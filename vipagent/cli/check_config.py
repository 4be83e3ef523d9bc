"""`vipagent check-config`: everything that is wrong with a file, before an agent gets it."""

import click

from vipagent.cli.session import reporting
from vipagent.config import lookup
from vipagent.config.load import load_file


@click.command()
@click.argument("file", required=False)
def command(file: str | None) -> None:
    """Check FILE; every problem of it is a line on stderr, and the exit status is 2.

    Without FILE, what the other commands would use: $VIPAGENT_CONFIG, else /etc/vipagent/vipagent.yaml.
    """
    with reporting():
        found = lookup.find(file, "name a FILE")
        config = load_file(found)
    services = ", ".join(f"{service.name} ({len(service.core.pool)} VIPs)" for service in config.services)
    click.echo(f"{found}: good: node {config.store.node}, backend {config.backend}, {services}")
