"""Parses healthcheck's options: a file, or the command lines of an `exabgp.conf`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vipagent.config import document
from vipagent.config.problems import ConfigError, Problem
from vipagent.migration import exabgp_conf
from vipagent.migration.draft import Reading
from vipagent.migration.exabgp_conf import Process
from vipagent.migration.healthcheck_service import instance
from vipagent.migration.options import ForeignOption, Given, OptionArgument, parse

_FLAGS = (
    ("silent", "-s"), ("no-syslog",), ("debug", "-d"), ("no-ack", "-a"), ("sudo",),
    ("deaggregate-networks",), ("no-ip-setup",), ("dynamic-ip-setup",), ("label-exact-match",),
    ("withdraw-on-down",), ("debounce",),
)  # fmt: skip
_VALUES = (
    ("name", "-n"), ("config", "-F"), ("pid", "-p"), ("user",), ("group",),
    ("interval", "-i"), ("fast-interval", "-f"), ("timeout", "-t"), ("rise",), ("fall",), ("disable",),
    ("command", "--cmd", "-c"), ("next-hop", "-N"), ("local-preference",), ("label",), ("start-ip",),
    ("up-metric",), ("down-metric",), ("disabled-metric",), ("increase",),
    ("community",), ("extended-community",), ("large-community",), ("disabled-community",),
    ("as-path",), ("up-as-path",), ("down-as-path",), ("disabled-as-path",), ("path-id",),
)  # fmt: skip
_REPEATED = (
    ("ip",), ("ip-ifname",), ("neighbor",),
    ("execute",), ("up-execute",), ("down-execute",), ("disabled-execute",),
)  # fmt: skip


def _options(names: Sequence[tuple[str, ...]], argument: OptionArgument) -> Iterator[ForeignOption]:
    for name, *others in names:
        yield ForeignOption(name, (f"--{name}", *others), argument)


HEALTHCHECK_OPTIONS = (
    *_options(_FLAGS, OptionArgument.NONE),
    *_options(_VALUES, OptionArgument.VALUE),
    *_options(_REPEATED, OptionArgument.REPEATED),
    ForeignOption("syslog-facility", ("--syslog-facility", "-sF"), OptionArgument.OPTIONAL, const="daemon"),
)
"""All options of healthcheck in ExaBGP 4.2 and 5."""
_HEALTHCHECK_PROGRAM = re.compile(r"(^|[/.-])healthcheck(\.py)?$")


def read(path: Path) -> Reading:
    """Read a file with healthcheck's options, or the healthchecks of an `exabgp.conf`.

    Raises:
        ConfigError: it cannot be read.
    """
    if not exabgp_conf.is_exabgp(exabgp_conf.content(path)):
        given, problems = _file(path)
        return Reading((), tuple(problems)) if problems else instance(str(path), path.stem, given)
    found = exabgp_conf.readings(
        path, _HEALTHCHECK_PROGRAM, lambda process, words: _process(path, process, words)
    )
    if not (found.instances or found.problems):
        raise document.failure(path, "has no process that runs healthcheck")
    return found


def _process(path: Path, process: Process, words: Sequence[str]) -> Reading:
    """Parse one command line; its options file is read first, like in healthcheck."""
    where = f"{path}, process {process.name}"
    try:
        given = parse(HEALTHCHECK_OPTIONS, words)
        named = given.get("config")
        first, problems = _file(path.parent / named) if isinstance(named, str) else ({}, [])
    except ValueError as error:
        return Reading((), (Problem(where, "", None, str(error)),))
    except ConfigError as error:
        return Reading((), error.problems)
    if problems:
        return Reading((), tuple(problems))
    return instance(where, process.name, _merge(first, given))


def _file(path: Path) -> tuple[Given, list[Problem]]:
    """Read an options file with lines `NAME = VALUE` or `NAME`."""
    together: Given = {}
    problems = []
    for number, line in enumerate(exabgp_conf.content(path).splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            given = parse(HEALTHCHECK_OPTIONS, [part.strip() for part in f"--{stripped}".split("=", 1)])
        except ValueError as error:
            problems.append(
                Problem(str(path), f"line {number}", stripped, f"is not a healthcheck option: {error}")
            )
            continue
        together = _merge(together, given)
    return together, problems


def _merge(first: Given, then: Given) -> Given:
    """Merge options: repeatable ones are concatenated, otherwise the second value is used."""
    both = {**first, **then}
    for name in first.keys() & then.keys():
        one, other = first[name], then[name]
        if isinstance(one, list) and isinstance(other, list):
            both[name] = [*one, *other]
    return both
