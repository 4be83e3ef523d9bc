"""Program that reads the configuration of `vipagent run` and writes it, pickled, to stdout.

    python -m vipagent.cli.reader OPTION...

The agent runs it as a child process at its start and at each SIGHUP, because the validation libraries use
10 MB of memory.
"""

import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import click

from vipagent.cli.options import given, service_options
from vipagent.config import lookup
from vipagent.config.load import load_file, load_options
from vipagent.config.problems import COMMAND_LINE, ConfigError, Problem
from vipagent.config.settings import AgentConfig

RUN_HINT = "specify --config FILE, or configure one service by options (--service, --auth-ip, ...)"
"""Advice to an operator without a configuration."""
_CONTEXT = {
    "help_option_names": ["-h", "--help"],
    # Unknown options are reported together with the other problems, not by click.
    "ignore_unknown_options": True,
    "allow_extra_args": True,
}


@click.command(context_settings=_CONTEXT)
@click.pass_context
@click.option(
    "--config",
    metavar="FILE",
    help=f"Configuration file, in place of all other options (default: {lookup.LOOKUP_ORDER}).",
)
@click.option("--service", metavar="NAME", help="Name of the service, the same on every node.")
@service_options
def command(context: click.Context, /, config: str | None, **options: Any) -> AgentConfig:
    """Announce this node's VIP, and the VIPs of dead nodes, through ExaBGP.

    ExaBGP runs this command as a process; in a terminal, it prints the commands for ExaBGP.
    Specify --config for any number of services, or one service by options. Without options, the
    configuration is looked up as in the other commands.
    """
    options = given(options)
    problems = [*_unknown(context)]
    if config is not None and options:
        extra = ", ".join(f"--{key.replace('_', '-')}" for key in options)
        text = f"cannot be combined with {extra}: remove them or set them in the file"
        problems.append(Problem(COMMAND_LINE, "--config", None, text))
    try:
        read = (
            load_options(options) if options and config is None else load_file(lookup.find(config, RUN_HINT))
        )
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return read


def _unknown(context: click.Context) -> Iterator[Problem]:
    """Yield unknown options and arguments; an unknown option's value may be a secret and is not shown."""
    names = [name for option in context.command.params for name in option.opts]
    previous = ""
    for word in context.args:
        if word.startswith("-"):
            option = word.partition("=")[0]
            near = get_close_matches(option, names, n=1)
            hint = f"did you mean {near[0]}?" if near else "see vipagent run --help"
            yield Problem(COMMAND_LINE, option, None, f"unknown option: {hint}")
        elif not previous.startswith("-"):
            yield Problem(COMMAND_LINE, "", word, "is an unexpected argument: see vipagent run --help")
        previous = word


def read(arguments: Sequence[str]) -> AgentConfig:
    """Return the configuration given by the arguments of `vipagent run`.

    Raises:
        ConfigError: the options or the file are invalid.
    """
    try:  # The parent expects a configuration on stdout, not a help text.
        config: AgentConfig = command.main(list(arguments), standalone_mode=False, help_option_names=[])
    except click.UsageError as error:
        raise ConfigError([Problem(COMMAND_LINE, "", None, error.format_message())]) from error
    return config


def main() -> None:
    """Write the configuration or its problems to stdout."""
    output = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a plug-in may print
    outcome: AgentConfig | tuple[Problem, ...]
    try:
        outcome = read(sys.argv[1:])
    except ConfigError as error:
        outcome = error.problems
    with os.fdopen(output, "wb") as out:
        pickle.dump(outcome, out)


if __name__ == "__main__":
    main()
