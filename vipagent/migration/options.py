"""Other programs' command lines, read as `argparse` does: short forms, `--name=value`, abbreviations."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

Given = dict[str, str | list[str]]
"""The options that were given, by their names; those that may be repeated have lists."""


class Takes(Enum):
    """What follows an option."""

    NOTHING = "nothing"
    VALUE = "value"
    VALUES = "values"
    """A value, and the option may be repeated."""
    MAYBE = "maybe"
    """A value or nothing."""


@dataclass(frozen=True, slots=True)
class HealthcheckOption:
    """An option of another program."""

    name: str
    """By which it is known here."""
    flags: tuple[str, ...]
    takes: Takes = Takes.VALUE
    const: str = "true"
    """What it means without a value."""


class _Parser(argparse.ArgumentParser):
    """A parser that neither prints nor exits."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong."""
        raise ValueError(message)


def parse(options: Sequence[HealthcheckOption], words: Sequence[str]) -> Given:
    """Return what a command line gives.

    Raises:
        ValueError: it cannot be understood.
    """
    given, unknown = _parser(options).parse_known_args(list(words))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not understood")
    return dict(vars(given))


def _parser(options: Sequence[HealthcheckOption]) -> _Parser:
    parser = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    for option in options:
        match option.takes:
            case Takes.NOTHING:
                parser.add_argument(*option.flags, dest=option.name, action="store_const", const=option.const)
            case Takes.VALUE:
                parser.add_argument(*option.flags, dest=option.name)
            case Takes.VALUES:
                parser.add_argument(*option.flags, dest=option.name, action="append")
            case Takes.MAYBE:
                parser.add_argument(*option.flags, dest=option.name, nargs="?", const=option.const)
    return parser
