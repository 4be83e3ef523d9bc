"""`vipagent run`: the ExaBGP process."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from vipagent.agent.run import run
from vipagent.cli.options import given, service_options
from vipagent.config.load import load_file, load_options
from vipagent.config.place import COMMAND_LINE
from vipagent.config.problems import ConfigError, Problem
from vipagent.config.settings import AgentConfig

_REFUSED = "vipagent.refused"


class _Patient(click.Command):
    """A command whose bad options are problems of the configuration: ending at once could end ExaBGP (E6)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and keep for later what cannot be understood."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            ctx.params = {}
            ctx.meta[_REFUSED] = error.format_message()
            return []


@click.command(cls=_Patient)
@click.option("--config", metavar="FILE", help="The configuration; instead of all other options.")
@click.option("--service", metavar="NAME", help="The service's name, the same on every node.")
@service_options
@click.pass_context
def command(ctx: click.Context, /, config: str | None = None, **options: Any) -> None:
    """Announce this node's VIP by ExaBGP, and those of nodes that are gone.

    To be run by ExaBGP, as a process; by hand, it prints what ExaBGP would be asked.
    Either --config, with any number of services, or one service by options.
    """
    options = given(options)
    refused = ctx.meta.get(_REFUSED)
    if refused is None and config is not None and options:
        refused = f"--config stands alone: remove {', '.join(map(_spelt, options))}, or put it in the file"
    if refused is not None:
        run(partial(_refuse, refused), None)
    elif config is not None:
        run(partial(load_file, config), Path(config))
    else:
        run(partial(load_options, options), None)


def _spelt(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _refuse(text: str) -> AgentConfig:
    raise ConfigError([Problem(COMMAND_LINE, "", None, text)])
