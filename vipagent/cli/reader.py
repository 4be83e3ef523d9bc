"""A program of its own: reads the configuration of `vipagent run`, and writes it to stdout, pickled.

    python -m vipagent.cli.reader OPTION...

The agent runs it as a child, at its start and at each SIGHUP: the libraries that validate take 10 MB.
"""

import os
import pickle
import sys
from collections.abc import Sequence
from typing import Any

import click

from vipagent.cli.options import given, service_options
from vipagent.config.load import load_file, load_options
from vipagent.config.place import COMMAND_LINE
from vipagent.config.problems import ConfigError, Problem
from vipagent.config.settings import AgentConfig


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="The configuration; instead of all other options.")
@click.option("--service", metavar="NAME", help="The service's name, the same on every node.")
@service_options
def command(config: str | None, **options: Any) -> AgentConfig:
    """Announce this node's VIP by ExaBGP, and those of nodes that are gone.

    To be run by ExaBGP, as a process; by hand, it prints what ExaBGP would be asked.
    Either --config, with any number of services, or one service by options.
    """
    options = given(options)
    if config is None:
        return load_options(options)
    if options:
        besides = ", ".join(f"--{key.replace('_', '-')}" for key in options)
        raise click.UsageError(f"--config stands alone: remove {besides}, or put it in the file")
    return load_file(config)


def read(arguments: Sequence[str]) -> AgentConfig:
    """Read what the arguments of `vipagent run` say.

    Raises:
        ConfigError: they, or the file that they name, cannot be used.
    """
    try:
        config: AgentConfig = command.main(list(arguments), standalone_mode=False)
    except click.UsageError as error:
        raise ConfigError([Problem(COMMAND_LINE, "", None, error.format_message())]) from error
    return config


def main() -> None:
    """Write the configuration, or the problems with it."""
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a plug-in may print
    outcome: AgentConfig | tuple[Problem, ...]
    try:
        outcome = read(sys.argv[1:])
    except ConfigError as error:
        outcome = error.problems
    with os.fdopen(answer, "wb") as out:
        pickle.dump(outcome, out)


if __name__ == "__main__":
    main()
