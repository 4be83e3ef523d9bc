"""Sanitizes output of commands and servers for the log, the status and the store."""

MAX_TEXT = 512
"""Characters."""


def one_line(text: str) -> str:
    """Return the text on one line: white space is folded, unprintable characters become question marks."""
    folded = " ".join(text.split())
    return folded if folded.isprintable() else "".join(c if c.isprintable() else "?" for c in folded)


def tail(output: bytes) -> str:
    """Return the end of a command's output as one printable line of at most `MAX_TEXT` characters."""
    return one_line(output.decode(errors="replace"))[-MAX_TEXT:]


def head(text: str) -> str:
    """Return the beginning of a text as one printable line of at most `MAX_TEXT` characters."""
    return one_line(text)[:MAX_TEXT]
