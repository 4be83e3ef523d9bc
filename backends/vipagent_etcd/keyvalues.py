"""Key-values and requests in the gateway's JSON format, without I/O."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = Mapping[str, Any]
"""One JSON object of the gateway; 64-bit numbers are strings, and zeros are omitted."""

RANGE, PUT, DELETE = "request_range", "request_put", "request_delete_range"
MAX_TXN_REQUESTS = 100
"""Maximum number of requests in one transaction; the default limit of a server is 128."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One key-value. The revision is the store's revision of its last change."""

    key: str
    """Invalid UTF-8 is replaced by U+FFFD, so it never equals one of our keys."""
    value: bytes
    lease: int
    """The lease of the key; 0: persistent."""
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch."""

    found: KeyValue
    """The new key-value; for a deletion, only key and revision."""
    deleted: bool


@dataclass(frozen=True, slots=True)
class Span:
    """The range of a listing or a watch: one key, or all keys below a directory."""

    first: str
    end: str = ""
    """End of the range, exclusive; empty: only the key `first`."""

    @classmethod
    def below(cls, path: str) -> "Span":
        """Return the range of all keys below a directory."""
        return cls(f"{path}/", f"{path}0")  # 0 is the character after the slash

    def covers(self, key: str) -> bool:
        """Whether the range contains a key."""
        return self.first <= key < self.end if self.end else key == self.first

    def fields(self) -> dict[str, str]:
        """Return the request's fields."""
        span = {"key": encode(self.first.encode())}
        return span | {"range_end": encode(self.end.encode())} if self.end else span


def encode(data: bytes) -> str:
    """Encode bytes for the gateway."""
    return base64.b64encode(data).decode()


def key_value(fields: Message) -> KeyValue:
    """Parse a key-value; a deletion has only key and revision."""
    return KeyValue(
        base64.b64decode(fields.get("key", "")).decode(errors="replace"),
        base64.b64decode(fields.get("value", "")),
        int(fields.get("lease", 0)),
        int(fields.get("mod_revision", 0)),
    )


def key_values(answer: Message) -> list[KeyValue]:
    """Parse the key-values of a listing."""
    return [key_value(fields) for fields in answer.get("kvs", ())]


def changes(message: Message) -> list[Change]:
    """Parse the changes in a message of a watch."""
    return [
        Change(key_value(event["kv"]), event.get("type") == "DELETE") for event in message.get("events", ())
    ]


def revision(answer: Message) -> int:
    """Return the store's revision at the time of a response."""
    return int(answer["header"]["revision"])


def listing(spans: Sequence[Span]) -> Message:
    """Return the transaction for a consistent listing of at most `MAX_TXN_REQUESTS` spans."""
    return {"success": [{RANGE: span.fields()} for span in spans]}


def listed(answer: Message) -> list[list[KeyValue]]:
    """Return the results of a listing, by span."""
    return [key_values(response.get("response_range", {})) for response in answer.get("responses", ())]


def replacing(key: str, known: int, value: bytes, lease: int) -> Message:
    """Return the transaction that puts a key if its revision is `known` (0: absent), or else reads it."""
    put = {**Span(key).fields(), "value": encode(value), "lease": str(lease)}
    return _if_unchanged(key, known, {PUT: put})


def removing(key: str, known: int) -> Message:
    """Return the transaction that deletes a key if its revision is `known`, and otherwise reads it."""
    return _if_unchanged(key, known, {DELETE: Span(key).fields()})


def _if_unchanged(key: str, known: int, act: Message) -> Message:
    span = Span(key).fields()
    compare = {**span, "target": "MOD", "result": "EQUAL", "mod_revision": str(known)}
    return {"compare": [compare], "success": [act], "failure": [{RANGE: span}]}


def watching(spans: Mapping[Span, int]) -> list[Message]:
    """Return the watch requests for these spans, each from the revision after the known one."""
    return [
        {"create_request": {**span.fields(), "start_revision": str(known + 1)}}
        for span, known in spans.items()
    ]
