"""`vipagent run`: the ExaBGP process. Its arguments are read by a child (`vipagent.cli.reader`)."""

import pickle
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import click

from vipagent.agent.run import run
from vipagent.config.problems import ConfigError, Problem
from vipagent.config.settings import AgentConfig

TIME_LIMIT = 8.0
"""Seconds that the child gets: less than the watchdog's. 0.4 s is usual."""


class _Unread(click.Command):
    """A command that leaves its arguments to somebody else, what cannot be understood included.

    A bad option is a problem of the configuration: ending at once could end ExaBGP (E6).
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as they are."""
        ctx.params["arguments"] = tuple(args)
        return []


@click.command(cls=_Unread)
def command(arguments: tuple[str, ...]) -> None:
    """Announce this node's VIP by ExaBGP, and those of nodes that are gone."""
    if {"-h", "--help"} & set(arguments):
        from vipagent.cli import reader  # noqa: PLC0415 - the agent has to stay small

        reader.command.main(["--help"], prog_name="vipagent run")
    run(partial(load, arguments), source(arguments))


def load(arguments: Sequence[str]) -> AgentConfig:
    """Have a child read what the arguments say.

    Raises:
        ConfigError: they, or the file that they name, cannot be used.
    """
    reader = [sys.executable, "-P", "-m", "vipagent.cli.reader", *arguments]
    try:
        finished = subprocess.run(
            reader, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIME_LIMIT, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError([Problem("configuration", "", None, f"cannot be read: {error}")]) from error
    outcome = pickle.loads(finished.stdout)  # noqa: S301 - our own child has written it
    if isinstance(outcome, AgentConfig):
        return outcome
    raise ConfigError(outcome)


def source(arguments: Sequence[str]) -> Path | None:
    """Return the configuration's file, if the arguments name one."""
    for argument, following in pairwise((*arguments, "")):
        option, _, value = argument.partition("=")
        if option == "--config" and (value or following):
            return Path(value or following)
    return None
