"""`vipagent`: the subcommands, each imported only when it is wanted: the agent has to stay small."""

from importlib import import_module

import click

from vipagent import __version__

COMMANDS = {
    "run": "vipagent.cli.run",
    "maintenance": "vipagent.cli.maintenance",
    "status": "vipagent.cli.status",
    "check-config": "vipagent.cli.check_config",
    "import-exazk": "vipagent.cli.importing:import_exazk",
    "import-healthcheck": "vipagent.cli.importing:import_healthcheck",
    "backends": "vipagent.cli.backends",
    "demo": "vipagent.cli.demo",
    "simulate": "vipagent.cli.simulate",
}
"""Each module has its command in `command`, or under the name that follows."""


class LazyGroup(click.Group):
    """A group whose commands are imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in the order of use."""
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
    """Keep a load balancer's VIP announced by BGP when its machine is gone."""


def main() -> None:
    """Run the command line; the exit status is 2 for what cannot be understood."""
    cli(prog_name="vipagent")
