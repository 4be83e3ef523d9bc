"""Reading and writing the fields of a record, which is a JSON object; values are untrusted (S1)."""

import json
from collections.abc import Mapping

from vipagent.store.backend import MAX_VALUE

MAX_TEXT = 512
"""Maximum characters of a text read from a store. Longer texts are truncated."""


class Malformed(ValueError):
    """The value is not a valid record."""


def dump(fields: Mapping[str, object]) -> bytes:
    """Encode a record."""
    return json.dumps(without_empty(fields)).encode()


def without_empty(fields: Mapping[str, object]) -> dict[str, object]:
    """Remove fields that are None, False or empty."""
    return {
        name: value
        for name, value in fields.items()
        if value is not None and value is not False and value != ""
    }


def load(value: bytes) -> dict[str, object]:
    """Decode a record.

    Raises:
        Malformed: the value is too large, or not a JSON object.
    """
    if len(value) >= MAX_VALUE:
        raise Malformed(f"value of {MAX_VALUE} bytes or more")
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Malformed("not valid JSON") from error
    if not isinstance(fields, dict):
        raise Malformed("not a JSON object")
    return fields


def number(fields: Mapping[str, object], name: str) -> int | None:
    """Return a field if it is an integer; else None."""
    value = fields.get(name)
    return value if type(value) is int else None


def text(fields: Mapping[str, object], name: str) -> str:
    """Return a field if it is a text, sanitized; else the empty text."""
    value = fields.get(name)
    return sanitize(value) if isinstance(value, str) else ""


def sanitize(text: str) -> str:
    """Return the printable characters of a text, at most `MAX_TEXT`; others become `?`."""
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_TEXT])
