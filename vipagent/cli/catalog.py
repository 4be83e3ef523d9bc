"""Catalog of all commands and their options, extracted from click for documentation and manual pages."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import click

from vipagent.cli import reader
from vipagent.cli.main import cli


@dataclass(frozen=True, slots=True)
class CommandOption:
    """One option of a command."""

    names: tuple[str, ...]
    """`("-i", "--interval")`."""
    metavar: str
    """Placeholder of the value, such as `SECONDS` or `[all|one|ranked]`; empty for a flag."""
    default: str
    """Default value or limits, such as `default: 5`; empty if there are none."""
    text: str
    """Help text."""


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """A command or a group of commands."""

    name: str
    """Full name: `vipagent maintenance on`."""
    usage: str
    """`vipagent maintenance on [OPTIONS] SERVICE`."""
    text: str
    """Help text in paragraphs separated by empty lines; one that begins with \\b is preformatted."""
    options: tuple[CommandOption, ...]


def commands() -> list[CommandInfo]:
    """Return all commands in the order of the help, each group before its subcommands."""
    return [*_described(cli, None, "vipagent")]


def _described(command: click.Command, above: click.Context | None, name: str) -> Iterator[CommandInfo]:
    context = click.Context(command, parent=above, info_name=name, **command.context_settings)
    yield CommandInfo(
        name=context.command_path,
        usage=f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}",
        text=inspect.cleandoc(command.help or ""),
        options=tuple(_options(command, context)),
    )
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            inner = command.get_command(context, word)
            if inner is not None:
                # The options of `run` are defined in the reader to save the agent's memory.
                yield from _described(reader.command if word == "run" else inner, context, word)


def _options(command: click.Command, context: click.Context) -> Iterator[CommandOption]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if not isinstance(parameter, click.Option) or record is None:
            continue
        declared, help_text = record
        text, _, extra = help_text.partition("  [")
        names = tuple(sorted((*parameter.opts, *parameter.secondary_opts), key=len))
        metavar = declared.removeprefix(", ".join(names)).strip()
        yield CommandOption(names, metavar, extra.replace("]  [", "; ").removesuffix("]"), text)
