"""Key-values and requests about them, as the gateway's JSON has them: pure data."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = Mapping[str, Any]
"""One JSON object of the gateway's; its 64-bit numbers are strings, and zeros are left out."""

RANGE, PUT, DELETE = "request_range", "request_put", "request_delete_range"
LARGEST_TXN = 100
"""Requests in one transaction; a stock server takes 128."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One key-value. The revision is the store's at its last change, and is another after each."""

    key: str
    """What is not UTF-8 has U+FFFD in it, so it is never one of ours."""
    value: bytes
    lease: int
    """The lease that it vanishes with; 0: it is permanent."""
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch."""

    found: KeyValue
    """What is there now; of a deletion, only key and revision."""
    deleted: bool


@dataclass(frozen=True, slots=True)
class Span:
    """What a listing or a watch covers: one key, or all below a directory."""

    first: str
    end: str = ""
    """The first key that is not covered any more; empty: only `first` is."""

    @classmethod
    def below(cls, path: str) -> "Span":
        """All below a directory."""
        return cls(f"{path}/", f"{path}0")  # 0 comes right after the slash

    def covers(self, key: str) -> bool:
        """Whether a key lies in it."""
        return self.first <= key < self.end if self.end else key == self.first

    def fields(self) -> dict[str, str]:
        """Return the request's fields."""
        span = {"key": encode(self.first.encode())}
        return span | {"range_end": encode(self.end.encode())} if self.end else span


def encode(data: bytes) -> str:
    """Return bytes as the gateway takes them."""
    return base64.b64encode(data).decode()


def key_value(fields: Message) -> KeyValue:
    """Read a key-value; of a deletion, key and revision are all that there is."""
    return KeyValue(
        base64.b64decode(fields.get("key", "")).decode(errors="replace"),
        base64.b64decode(fields.get("value", "")),
        int(fields.get("lease", 0)),
        int(fields.get("mod_revision", 0)),
    )


def key_values(answer: Message) -> list[KeyValue]:
    """Read the key-values of a listing."""
    return [key_value(fields) for fields in answer.get("kvs", ())]


def changes(message: Message) -> list[Change]:
    """Read what a message of a watch tells."""
    return [
        Change(key_value(event["kv"]), event.get("type") == "DELETE") for event in message.get("events", ())
    ]


def revision(answer: Message) -> int:
    """Return the store's revision at the time of an answer."""
    return int(answer["header"]["revision"])


def listing(spans: Sequence[Span]) -> Message:
    """Return the transaction that lists these (at most `LARGEST_TXN`) as they are at one moment."""
    return {"success": [{RANGE: span.fields()} for span in spans]}


def listed(answer: Message) -> list[list[KeyValue]]:
    """Return what a listing found, span by span."""
    return [key_values(response.get("response_range", {})) for response in answer.get("responses", ())]


def replacing(key: str, known: int, value: bytes, lease: int) -> Message:
    """Return the transaction that puts a key if its revision is `known` (0: absent), or else reads it."""
    put = {**Span(key).fields(), "value": encode(value), "lease": str(lease)}
    return _if_unchanged(key, known, {PUT: put})


def removing(key: str, known: int) -> Message:
    """Return the transaction that deletes a key if its revision is `known`, or else reads it."""
    return _if_unchanged(key, known, {DELETE: Span(key).fields()})


def _if_unchanged(key: str, known: int, act: Message) -> Message:
    span = Span(key).fields()
    compare = {**span, "target": "MOD", "result": "EQUAL", "mod_revision": str(known)}
    return {"compare": [compare], "success": [act], "failure": [{RANGE: span}]}


def watching(spans: Mapping[Span, int]) -> list[Message]:
    """Return the requests that watch these, each from the revision after the one that is known of it."""
    return [
        {"create_request": {**span.fields(), "start_revision": str(known + 1)}}
        for span, known in spans.items()
    ]
