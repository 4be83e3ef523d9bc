"""Text as a manual page has it: roff's `man` macros, and everything escaped that roff takes for its own."""

import re
import textwrap

WIDTH = 78
"""Columns of the source: longer lines are against the custom."""
VERBATIM = "\b"
"""Click's mark: the lines of a paragraph stay as they are."""
SPECIAL = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
)
"""Without these, what can be typed would be shown as what merely looks like it."""
INPUT = re.compile(r"`([^`]+)`|(?<![\w-])(--?[a-z][a-z-]*)")
"""What can be typed: in backquotes, or an option."""


def escaped(text: str) -> str:
    """Return text that is shown as it is."""
    return text.translate(SPECIAL)


def bold(text: str) -> str:
    """Return text in bold."""
    return rf"\fB{escaped(text)}\fR"


def italic(text: str) -> str:
    """Return text in italics: what stands for something else."""
    return rf"\fI{escaped(text)}\fR"


def marked(text: str) -> str:
    """Return text with what can be typed in bold."""
    parts, at = [], 0
    for match in INPUT.finditer(text):
        parts += [escaped(text[at : match.start()]), bold(match[1] or match[2])]
        at = match.end()
    return "".join([*parts, escaped(text[at:])])


def filled(text: str) -> str:
    """Return marked text in lines; none of them is a request to roff."""
    lines = textwrap.wrap(marked(text), WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(_harmless, lines))


def paragraphs(text: str) -> str:
    """Return paragraphs, those with click's mark line by line."""
    return "\n.PP\n".join(map(_paragraph, text.split("\n\n")))


def verbatim(text: str) -> str:
    """Return lines that stay as they are."""
    lines = "\n".join(_harmless(escaped(line)) for line in text.strip("\n").splitlines())
    return f".nf\n{lines}\n.fi"


def tagged(tag: str, text: str) -> str:
    """Return a paragraph under a tag, which is roff already."""
    return f".TP\n{_harmless(tag)}\n{filled(text)}"


def section(title: str, *content: str) -> str:
    """Return a section."""
    return "\n".join((f".SH {escaped(title.upper())}", *content))


def subsection(title: str, *content: str) -> str:
    """Return a section of a section."""
    return "\n".join((f".SS {escaped(title)}", *content))


def title(name: str, number: int, date: str, source: str, collection: str) -> str:
    """Return a page's first line."""
    return f'.TH "{escaped(name.upper())}" {number} {date} "{escaped(source)}" "{escaped(collection)}"'


def _paragraph(text: str) -> str:
    head, _, rest = text.partition("\n")
    return verbatim(rest) if head == VERBATIM else filled(text)


def _harmless(line: str) -> str:
    return rf"\&{line}" if line.startswith(".") else line
