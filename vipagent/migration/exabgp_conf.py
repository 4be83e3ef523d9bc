"""Parses the API processes of an `exabgp.conf`."""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vipagent.config import document
from vipagent.config.problems import Problem
from vipagent.migration.draft import Reading, Remark, Weight, gathered
from vipagent.migration.exabgp_words import Statement, statements

_PROCESS = re.compile(r"^[^#\n]*\bprocess\s+\S+\s*\{", re.MULTILINE)
_RUNNER = re.compile(r"(^|/)(python[\d.]*|exabgp|env)$|^-m$")
"""Interpreters and wrappers before the program, which are ignored."""


@dataclass(frozen=True, slots=True)
class Process:
    """A `process NAME { run WORDS; }`."""

    name: str
    words: tuple[str, ...]
    remarks: tuple[Remark, ...] = ()


@dataclass(slots=True)
class _Block:
    """A `process NAME { … }` block."""

    name: str
    inside: bool
    """Whether it is in a neighbor or a group (ExaBGP 3)."""
    runs: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    """Parsed parts of a configuration."""

    processes: list[_Block] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Names in `api` blocks."""
    patterns: set[str] = field(default_factory=set)
    """Patterns of `processes-match`."""


def content(path: Path) -> str:
    """Read a file as text.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return document.content(path).decode()
    except UnicodeDecodeError as error:
        raise document.failure(path, f"is not text: byte {error.start + 1} is not valid UTF-8") from None


def is_exabgp(text: str) -> bool:
    """Return whether a text is an ExaBGP configuration with processes."""
    return _PROCESS.search(text) is not None


def readings(
    path: Path, program: re.Pattern[str], read: Callable[[Process, Sequence[str]], Reading]
) -> Reading:
    """Read all processes of an ExaBGP configuration that run a program, and report the others.

    Args:
        path: the configuration.
        program: pattern of the program's name.
        read: reads one process from the program's arguments.

    Raises:
        ConfigError: it cannot be read, or ExaBGP would reject it.
    """
    found = []
    for process in processes(path):
        index = next((i for i, word in enumerate(process.words) if program.search(word)), None)
        if index is None:
            left_out = Problem(_where(path, process), "", None, _other(process, program))
            found.append(Reading((), left_out=(left_out,)))
        else:
            runner = process.words[:index]
            more = () if all(map(_RUNNER.search, runner)) else (_wrapper_remark(runner),)
            reading = read(process, process.words[index + 1 :])
            found.append(reading.remarked((*process.remarks, *more)))
    return gathered(found)


def processes(path: Path) -> list[Process]:
    """Return all processes of an ExaBGP configuration.

    Raises:
        ConfigError: it cannot be read, or ExaBGP would reject it.
    """
    try:
        found = _found(statements(content(path)))
    except ValueError as error:
        raise document.failure(path, f"is not a valid ExaBGP configuration: {error}") from None
    names = [block.name for block in found.processes]
    for name in names:
        if names.count(name) > 1:
            raise document.failure(path, f"duplicate process {name}, which ExaBGP rejects")
    return [Process(b.name, b.runs[-1] if b.runs else (), tuple(_remarks(b, found))) for b in found.processes]


def _found(read: Iterator[Statement]) -> _Found:
    found = _Found()
    blocks: list[tuple[str, ...]] = []
    for statement in read:
        if statement.end == "{":
            if statement.words[:1] == ("process",):
                found.processes.append(_Block(" ".join(statement.words[1:2]), inside=bool(blocks)))
            blocks.append(statement.words)
        elif statement.end == "}":
            if not blocks:
                raise ValueError(f"line {statement.line}: }} without a block")
            blocks.pop()
        elif blocks and statement.words:
            _read(found, blocks[-1][:1], statement.words)
    if blocks:
        raise ValueError(f"unterminated block {' '.join(blocks[-1])}")
    return found


def _read(found: _Found, block: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Process a statement of a block."""
    key, *values = words
    if block == ("process",) and key == "run":
        found.processes[-1].runs.append(tuple(values))
    elif block == ("api",) and key in ("processes", "processes-match"):
        named = found.used if key == "processes" else found.patterns
        named.update(value for value in values if value not in ("[", ",", "]"))


def _remarks(block: _Block, found: _Found) -> Iterator[Remark]:
    if len(block.runs) > 1:
        others = ", ".join(f"`{shlex.join(words)}`" for words in block.runs[:-1])
        yield Remark(
            f"{len(block.runs)} `run` lines: ExaBGP uses the last one. Skipped: {others}", Weight.TODO
        )
    used = block.name in found.used or any(_matches(pattern, block.name) for pattern in found.patterns)
    if not (used or block.inside):
        yield Remark(
            "This process is in no neighbour's `api { processes [ … ]; }`, so ExaBGP 4.2 and 5 announce "
            "none of its routes. Remove the service if it is not needed.",
            Weight.TODO,
        )


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.match(pattern, name) is not None
    except re.error:
        return False


def _where(path: Path, process: Process) -> str:
    return f"{path}, process {process.name}"


def _other(process: Process, program: re.Pattern[str]) -> str:
    """Return why a process is skipped."""
    if not process.words:
        return "has no run, so ExaBGP rejects it"
    shown = shlex.join(process.words)
    if any(program.search(part) for word in process.words for part in word.split()):
        return f"runs {shown}: quoted command lines are not supported; pass its options as a file"
    return f"runs {shown}: another program"


def _wrapper_remark(runner: Sequence[str]) -> Remark:
    return Remark(f"The wrapper `{shlex.join(runner)}` was removed.", Weight.TODO)
