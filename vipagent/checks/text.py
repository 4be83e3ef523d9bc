"""What commands and servers say, made fit for a log line, a status or a store's record."""

LONGEST = 512
"""Characters."""


def one_line(text: str) -> str:
    """Return the text on one line: blanks folded, anything else that does not print as a question mark."""
    folded = " ".join(text.split())
    return folded if folded.isprintable() else "".join(c if c.isprintable() else "?" for c in folded)


def tail(output: bytes) -> str:
    """Return the end of a command's output as one printable line of at most `LONGEST` characters."""
    return one_line(output.decode(errors="replace"))[-LONGEST:]


def head(text: str) -> str:
    """Return the beginning of a text as one printable line of at most `LONGEST` characters."""
    return one_line(text)[:LONGEST]
