"""The API processes that an `exabgp.conf` names."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vipagent.config import document

_PROCESS = re.compile(r"^[^#\n]*\bprocess\s+\S+\s*\{", re.MULTILINE)
_MARKS = "{};"


@dataclass(frozen=True, slots=True)
class Process:
    """A `process NAME { run WORDS; }`."""

    name: str
    words: tuple[str, ...]


def content(path: Path) -> str:
    """Read a file as text.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return document.content(path).decode()
    except UnicodeDecodeError as error:
        raise document.failure(path, f"is no text: byte {error.start + 1} is no UTF-8") from None


def is_exabgp(text: str) -> bool:
    """Say whether a text is a configuration of ExaBGP that has processes."""
    return _PROCESS.search(text) is not None


def processes(path: Path) -> list[Process]:
    """Return all processes of a configuration of ExaBGP.

    Raises:
        ConfigError: it cannot be read, or a quotation in it has no end.
    """
    try:
        return list(_processes(_words(content(path))))
    except ValueError as error:
        raise document.failure(path, f"is no configuration of ExaBGP: {error}") from None


def arguments(process: Process, program: re.Pattern[str]) -> Sequence[str] | None:
    """Return what a process gives to a program, behind whatever runs that; None if it runs another one."""
    for index, word in enumerate(process.words):
        if program.search(word):
            return process.words[index + 1 :]
    return None


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=_MARKS)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        words += list(word) if not word.strip(_MARKS) and word else [word]
    return words


def _processes(words: Sequence[str]) -> Iterator[Process]:
    for index in range(len(words) - 2):
        kind, name, brace = words[index : index + 3]
        if kind == "process" and brace == "{":
            yield Process(name, tuple(_run(words[index + 3 :])))


def _run(words: Sequence[str]) -> Iterator[str]:
    """Yield what stands between `run` and its semicolon, in the block that begins here."""
    depth, running = 0, False
    for word in words:
        depth += (word == "{") - (word == "}")
        if depth < 0 or (running and word == ";"):
            return
        if running:
            yield word
        running = running or word == "run"
