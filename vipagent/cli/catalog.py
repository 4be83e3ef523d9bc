"""Every command and its options as plain data, from click: for documentation and manual pages."""

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
    """What it takes, as `SECONDS` or `[all|one|ranked]`; empty: it is a flag."""
    default: str
    """Its default or its limits, as `default: 5`; empty: there is nothing to say."""
    text: str
    """What it means."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or a group of commands."""

    name: str
    """With all that stands before it: `vipagent maintenance on`."""
    usage: str
    """`vipagent maintenance on [OPTIONS] SERVICE`."""
    text: str
    """Paragraphs, with empty lines in between; one that begins with \\b keeps its lines as they are."""
    options: tuple[CommandOption, ...]


def commands() -> list[Command]:
    """Return every command, groups before what is in them, in the order of the help."""
    return [*_described(cli, None, "vipagent")]


def _described(command: click.Command, above: click.Context | None, name: str) -> Iterator[Command]:
    context = click.Context(command, parent=above, info_name=name, **command.context_settings)
    yield Command(
        name=context.command_path,
        usage=f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}",
        text=inspect.cleandoc(command.help or ""),
        options=tuple(_options(command, context)),
    )
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            inner = command.get_command(context, word)
            if inner is not None:
                # The agent does not read its own options: that takes memory.
                yield from _described(reader.command if word == "run" else inner, context, word)


def _options(command: click.Command, context: click.Context) -> Iterator[CommandOption]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if not isinstance(parameter, click.Option) or record is None:
            continue
        declared, said = record
        text, _, extra = said.partition("  [")
        names = tuple(sorted((*parameter.opts, *parameter.secondary_opts), key=len))
        metavar = declared.removeprefix(", ".join(names)).strip()
        yield CommandOption(names, metavar, extra.replace("]  [", "; ").removesuffix("]"), text)
