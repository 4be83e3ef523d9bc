"""A program of its own: reads the configuration of `vipagent run`, and writes it to stdout, pickled.

    python -m vipagent.cli.reader OPTION...

The agent runs it as a child, at its start and at each SIGHUP: the libraries that validate take 10 MB.
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

INSTEAD = "give --config FILE, or one service by options (--service, --auth-ip, ...)"
"""What can be done without a configuration."""
_CONTEXT = {
    "help_option_names": ["-h", "--help"],
    # What click does not know comes back to us, so that it is one problem among the others.
    "ignore_unknown_options": True,
    "allow_extra_args": True,
}


@click.command(context_settings=_CONTEXT)
@click.pass_context
@click.option(
    "--config",
    metavar="FILE",
    help=f"The configuration, instead of all other options; without any option, {lookup.ORDER}.",
)
@click.option("--service", metavar="NAME", help="The service's name, the same on every node.")
@service_options
def command(context: click.Context, /, config: str | None, **options: Any) -> AgentConfig:
    """Announce this node's VIP by ExaBGP, and those of nodes that are gone.

    To be run by ExaBGP, as a process; by hand, it prints what ExaBGP would be asked.
    Either --config, with any number of services, or one service by options. Without any of them, the
    configuration is looked for where the other commands look for it, too.
    """
    options = given(options)
    problems = [*_unknown(context)]
    if config is not None and options:
        besides = ", ".join(f"--{key.replace('_', '-')}" for key in options)
        text = f"stands alone: remove {besides}, or put it in the file"
        problems.append(Problem(COMMAND_LINE, "--config", None, text))
    try:
        read = (
            load_options(options) if options and config is None else load_file(lookup.find(config, INSTEAD))
        )
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return read


def _unknown(context: click.Context) -> Iterator[Problem]:
    """Yield what click could make nothing of; the value of an unknown option is not shown, nor told of."""
    names = [name for option in context.command.params for name in option.opts]
    after = ""
    for word in context.args:
        if word.startswith("-"):
            option = word.partition("=")[0]
            near = get_close_matches(option, names, n=1)
            meant = f"did you mean {near[0]}?" if near else "see vipagent run --help"
            yield Problem(COMMAND_LINE, option, None, f"unknown option: {meant}")
        elif not after.startswith("-"):
            yield Problem(COMMAND_LINE, "", word, "belongs to no option: see vipagent run --help")
        after = word


def read(arguments: Sequence[str]) -> AgentConfig:
    """Read what the arguments of `vipagent run` say.

    Raises:
        ConfigError: they, or the file that they name, cannot be used.
    """
    try:  # Without help: whoever reads what we say wants a configuration.
        config: AgentConfig = command.main(list(arguments), standalone_mode=False, help_option_names=[])
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
