"""Parses the statements of an `exabgp.conf` like ExaBGP 4.2 and 5.

The syntax differs from a shell: every statement ends on its line (a backslash at the end continues it),
backslashes are resolved before quotes, and the other kind of quote inside quotes starts a new quotation.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_QUOTES = "\"'"
_ALONE = ",[]"
"""Outside of quotes each of these is a separate word."""
_ENDS = ";{}"


@dataclass(frozen=True, slots=True)
class Statement:
    """Words, and their terminator: `;`, `{` or `}`."""

    line: int
    words: tuple[str, ...]
    end: str


@dataclass(slots=True)
class _Scanner:
    """State of the scanner in a line."""

    words: list[str] = field(default_factory=list)
    word: str = ""
    quote: str = ""

    def feed(self, char: str) -> None:
        """Process a character that ends neither the statement nor the line."""
        if char in _QUOTES:
            self._quote(char)
        elif self.quote or not (char.isspace() or char in _ALONE):
            self.word += char
        else:
            self.end_word()
            self.words += [char] if char in _ALONE else []

    def end_word(self) -> None:
        """Start a new word."""
        self.words += [self.word] if self.word else []
        self.word = ""

    def _quote(self, char: str) -> None:
        if self.quote == char:
            self.words.append(self.word)
            self.word = self.quote = ""
        else:
            self.quote = char


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a configuration.

    Raises:
        ValueError: ExaBGP would reject it.
    """
    for number, line in _lines(text):
        scanner = _Scanner()
        for char in _unescaped(number, line):
            if char == "#" and not scanner.quote:
                break
            if char not in _ENDS or scanner.quote:
                scanner.feed(char)
                continue
            scanner.end_word()
            yield Statement(number, tuple(scanner.words), char)
            scanner = _Scanner()
        if scanner.words or scanner.word or scanner.quote:
            raise ValueError(
                f"line {number}: unterminated statement or quotation, which ExaBGP 4.2 and 5 reject"
            )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield numbered lines, and join continued ones."""
    whole = ""
    for number, line in enumerate(text.splitlines(), 1):
        whole += line.rstrip()
        if not whole.endswith("\\"):
            yield number, whole
            whole = ""
    if whole:
        yield number, whole


def _unescaped(number: int, line: str) -> str:
    if _ESCAPE.sub("", line).endswith("\\"):
        raise ValueError(f"line {number}: backslash at the end of the last line")
    return _ESCAPE.sub(lambda found: _unescape(found[1]), line)


def _unescape(escaped: str) -> str:
    return chr(int(escaped[1:], 16)) if len(escaped) > 1 else _ESCAPED.get(escaped, escaped)
