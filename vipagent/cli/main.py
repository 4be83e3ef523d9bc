"""`vipagent`: the group of all subcommands, imported lazily to keep the agent's memory small."""

import sys
from importlib import import_module

import click

from vipagent import __version__

COMMANDS = {
    "run": "vipagent.cli.run",
    "maintenance": "vipagent.cli.maintenance",
    "status": "vipagent.cli.status",
    "check-config": "vipagent.cli.configuration:check_config",
    "import-exazk": "vipagent.cli.configuration:import_exazk",
    "import-healthcheck": "vipagent.cli.configuration:import_healthcheck",
    "backends": "vipagent.cli.backends",
    "demo": "vipagent.cli.main:demo",
    "simulate": "vipagent.cli.simulate",
}
"""Module of each subcommand; the attribute is `command` unless a name follows the colon."""


class LazyGroup(click.Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name or "command")
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vipagent")
def cli() -> None:
    """Keep a load balancer's VIP announced by BGP when its machine fails."""


@click.command()
@click.option(
    "--steps",
    is_flag=True,
    help="Run all steps and exit, with status 0 if all succeeded; the default without a terminal.",
)
@click.option(
    "--listen",
    metavar="[HOST:]PORT",
    help="Listen address of the first load balancer's status page; the others use the next ports.",
)
def demo(steps: bool, listen: str | None) -> None:
    """Run three load balancers and a switch with real BGP on loopback, without root or a store server."""
    try:
        from vipagent.demo.demo import run  # noqa: PLC0415 - requires the extra [demo]
        from vipagent.demo.pages import pages  # noqa: PLC0415
    except ImportError as error:
        click.echo(f"the demo requires {error.name}: install vipagent with its extra [demo]", err=True)
        sys.exit(2)
    try:
        shown = pages(listen)
    except ValueError as error:
        raise click.BadParameter(f"{listen!r} {error}", param_hint="--listen") from None
    sys.exit(run(shown, walk=steps or not sys.stdin.isatty()))


def main() -> None:
    """Run the command line; the exit status of a usage error is 2."""
    cli(prog_name="vipagent")
