"""`vipagent run`: the ExaBGP process. Its arguments are read by a child (`vipagent.cli.reader`)."""

import pickle
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import click

from vipagent.agent.run import run
from vipagent.checks import process
from vipagent.config import lookup
from vipagent.config.problems import ConfigError, Problem
from vipagent.config.settings import AgentConfig

TIME_LIMIT = 20.0
"""Seconds that the child gets: 0.4 s is usual, but a machine that starts is busy."""
LONGEST = 64 * 1024 * 1024
"""Bytes of its answer."""


class _Unread(click.Command):
    """A command that leaves its arguments to somebody else, what cannot be understood included.

    A bad option is a problem of the configuration: ending at once could end ExaBGP (E6).
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as they are."""
        ctx.params["arguments"] = tuple(args)
        return []

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options that the child reads, for a shell that completes them."""
        from vipagent.cli import reader  # noqa: PLC0415 - the agent has to stay small

        return reader.command.get_params(ctx)


@click.command(cls=_Unread)
def command(arguments: tuple[str, ...]) -> None:
    """Announce this node's VIP by ExaBGP, and those of nodes that are gone."""
    if {"-h", "--help"} & set(arguments):
        from vipagent.cli import reader  # noqa: PLC0415 - the agent has to stay small

        reader.command.main(["--help"], prog_name="vipagent run")
    run(partial(load, arguments), source(arguments))


async def load(arguments: Sequence[str]) -> AgentConfig:
    """Have a child read what the arguments say; the loop turns on meanwhile.

    Raises:
        ConfigError: they, or the file that they name, cannot be used.
    """
    reader = [sys.executable, "-P", "-m", "vipagent.cli.reader", *arguments]
    try:
        finished = await process.run(reader, {}, TIME_LIMIT, keep=LONGEST, errors=None)
    except (OSError, ValueError) as error:
        raise _failure(str(error)) from error
    if finished.status is None:
        raise _failure(f"it takes more than {TIME_LIMIT:g} s")
    if finished.status != 0:
        raise _failure(f"the program that reads it ended with status {finished.status}")
    outcome = pickle.loads(finished.output)  # noqa: S301 - our own child has written it
    if isinstance(outcome, AgentConfig):
        return outcome
    raise ConfigError(outcome)


def _failure(text: str) -> ConfigError:
    return ConfigError([Problem("configuration", "", None, f"cannot be read: {text}")])


def source(arguments: Sequence[str]) -> Path | None:
    """Return the configuration's file: what `--config` names or, without any argument, the usual one."""
    if not arguments:
        return lookup.expected()
    for argument, following in pairwise((*arguments, "")):
        option, _, value = argument.partition("=")
        if option == "--config" and (value or following):
            return Path(value or following)
    return None
