"""Parses command lines of other programs like `argparse`: short options, `--name=value`, abbreviations."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

Given = dict[str, str | list[str]]
"""The options by name; repeatable options have lists."""


class OptionArgument(Enum):
    """The argument of an option."""

    NONE = "none"
    VALUE = "value"
    REPEATED = "repeated"
    """A value; the option is repeatable."""
    OPTIONAL = "optional"
    """An optional value."""


@dataclass(frozen=True, slots=True)
class ForeignOption:
    """An option of another program."""

    name: str
    """Name in the result."""
    flags: tuple[str, ...]
    argument: OptionArgument = OptionArgument.VALUE
    const: str = "true"
    """Default if the value is omitted."""


class _Parser(argparse.ArgumentParser):
    """A parser that neither prints nor exits."""

    def error(self, message: str) -> NoReturn:
        """Raise the error."""
        raise ValueError(message)


def parse(options: Sequence[ForeignOption], words: Sequence[str]) -> Given:
    """Parse a command line.

    Raises:
        ValueError: it is invalid.
    """
    given, unknown = _parser(options).parse_known_args(list(words))
    if unknown:
        raise ValueError(f"unknown argument {unknown[0]!r}")
    return dict(vars(given))


def _parser(options: Sequence[ForeignOption]) -> _Parser:
    parser = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    for option in options:
        match option.argument:
            case OptionArgument.NONE:
                parser.add_argument(*option.flags, dest=option.name, action="store_const", const=option.const)
            case OptionArgument.VALUE:
                parser.add_argument(*option.flags, dest=option.name)
            case OptionArgument.REPEATED:
                parser.add_argument(*option.flags, dest=option.name, action="append")
            case OptionArgument.OPTIONAL:
                parser.add_argument(*option.flags, dest=option.name, nargs="?", const=option.const)
    return parser
