"""`vipagent run`: the agent as a process of ExaBGP. A child (`vipagent.cli.reader`) parses its arguments."""

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

READER_TIMEOUT = 20.0
"""Timeout of the child, in seconds: 0.4 s is usual, but a booting machine is busy."""
MAX_READER_OUTPUT = 64 * 1024 * 1024
"""Maximum size of the child's output, in bytes."""


class _UnparsedCommand(click.Command):
    """A command that passes its arguments on without parsing them.

    An invalid option is a configuration problem: exiting at once could make ExaBGP exit (E6).
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Store the arguments unparsed."""
        ctx.params["arguments"] = tuple(args)
        return []

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options of the child, for shell completion."""
        from vipagent.cli import reader  # noqa: PLC0415 - the agent must use little memory

        return reader.command.get_params(ctx)


@click.command(cls=_UnparsedCommand)
def command(arguments: tuple[str, ...]) -> None:
    """Announce this node's VIP, and the VIPs of dead nodes, through ExaBGP."""
    if {"-h", "--help"} & set(arguments):
        from vipagent.cli import reader  # noqa: PLC0415 - the agent must use little memory

        reader.command.main(["--help"], prog_name="vipagent run")
    run(partial(load, arguments), source(arguments))


async def load(arguments: Sequence[str]) -> AgentConfig:
    """Return the configuration given by the arguments, read by a child process.

    Raises:
        ConfigError: the options or the file are invalid.
    """
    reader = [sys.executable, "-P", "-m", "vipagent.cli.reader", *arguments]
    try:
        finished = await process.run(reader, {}, READER_TIMEOUT, keep=MAX_READER_OUTPUT, errors=None)
    except (OSError, ValueError) as error:
        raise _failure(str(error)) from error
    if finished.status is None:
        raise _failure(f"timed out after {READER_TIMEOUT:g} s")
    if finished.status != 0:
        raise _failure(f"the configuration reader exited with status {finished.status}")
    outcome = pickle.loads(finished.output)  # noqa: S301 - written by our child
    if isinstance(outcome, AgentConfig):
        return outcome
    raise ConfigError(outcome)


def _failure(text: str) -> ConfigError:
    return ConfigError([Problem("configuration", "", None, f"cannot be read: {text}")])


def source(arguments: Sequence[str]) -> Path | None:
    """Return the path given by `--config`, or the default path if there are no arguments."""
    if not arguments:
        return lookup.default_path()
    for argument, following in pairwise((*arguments, "")):
        option, _, value = argument.partition("=")
        if option == "--config" and (value or following):
            return Path(value or following)
    return None
