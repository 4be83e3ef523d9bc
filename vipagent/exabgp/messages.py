"""Parser of the lines that ExaBGP writes to its API process: replies and neighbour states (E1, E5)."""

import contextlib
import json
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from vipagent.exabgp import table
from vipagent.exabgp.details import DetailsStart, DetailsValue
from vipagent.exabgp.table import TableRoute

SHOW_NEIGHBORS = "show neighbor summary"
"""The only query that both 4.2 and 5 always answer: a header, one line per neighbour, then `done`."""

MAX_CACHED = 512
"""Maximum length of a line whose meaning is cached."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a command."""

    error: str = ""
    """Empty if the command succeeded."""


@dataclass(frozen=True, slots=True)
class NeighborState:
    """State of a BGP session."""

    peer: str
    established: bool
    asn: int | None = None
    """The neighbour's AS number, if the line contains it."""
    from_summary: bool = False
    """Whether the line is part of a summary, rather than an event."""


@dataclass(frozen=True, slots=True)
class SummaryHeader:
    """First line of a summary. With acknowledgements enabled, a reply marks the summary's end."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """ExaBGP is shutting down and has already closed its BGP sessions (E3)."""


Message = Reply | NeighborState | SummaryHeader | DetailsStart | DetailsValue | TableRoute | Shutdown | None


def parse(line: str) -> Message:
    """Parse a line; return None for an unknown or irrelevant one. Never raises."""
    text = line.strip()
    if text == "done":
        return Reply()
    if text == "error":
        return Reply(error="rejected by ExaBGP")
    if text.startswith("{"):
        return _json_event(text)
    return _cached_text_line(text) if len(text) <= MAX_CACHED else _text_line(text)


def _json_event(text: str) -> NeighborState | Shutdown | None:
    try:
        message = _load_json(text)
        if message["type"] == "notification" and message.get("notification") == "shutdown":
            return Shutdown()
        if message["type"] != "state":
            return None
        neighbor = message["neighbor"]
        return NeighborState(
            str(neighbor["address"]["peer"]), neighbor["state"] == "up", _json_asn(neighbor.get("asn"))
        )
    except (AttributeError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _load_json(text: str) -> dict[str, Any]:
    """Parse a JSON event. With `peer-as auto`, 5.0 writes an unknown AS number as `None` instead of `null`.

    Raises:
        ValueError: the text is not valid JSON.
    """
    try:
        event: dict[str, Any] = json.loads(text)
    except ValueError:
        event = json.loads(text.replace('"peer": None', '"peer": null'))
    return event


def _json_asn(asn: object) -> int | None:
    number = asn.get("peer") if isinstance(asn, dict) else None
    return number if type(number) is int else None


def _text_line(text: str) -> Message:
    """Parse an event of the text encoder, or a line of an answer.

    Columns of the summary: peer, AS, uptime, state, sent, received. The uptime is `down`, `0:00:03` or
    `1 day, 0:00:03` (three words); the AS may be `n/a`.
    """
    words = text.split()
    match words:
        case ["Peer", "AS", *_]:
            return SummaryHeader()
        case ["shutdown", pid, parent] if (pid + parent).isdecimal():
            return Shutdown()
    with contextlib.suppress(ValueError):
        return _neighbor_line(words) or _details_value(words) or table.parse(words)
    return None


def _neighbor_line(words: list[str]) -> NeighborState | DetailsStart | None:
    """Parse an event of the text encoder, a neighbour's line of a summary, or the first one of a description.

    Raises:
        ValueError: the line has no IP address where the neighbour's is expected.
    """
    match words:
        case ["Neighbor", peer]:
            return DetailsStart(_address(peer))
        case ["neighbor", peer, "up"]:
            return NeighborState(_address(peer), established=True)
        case ["neighbor", peer, "connected"] | ["neighbor", peer, "down", *_]:
            return NeighborState(_address(peer), established=False)
        case [peer, asn, _, *_, state, sent, received] if (sent + received).isdecimal():
            number = int(asn) if asn.isdecimal() else None
            return NeighborState(_address(peer), state == "established", number, from_summary=True)
    return None


def _details_value(words: list[str]) -> DetailsValue | None:
    """Parse a line of an answer to `show neighbor extensive`."""
    match words:
        case ["local" | "state" as name, value]:
            return DetailsValue(name, value, "")
        case ["AS" | "hold-time" | "total:" as name, local, remote]:
            return DetailsValue(name, local, remote)
        case [afi, safi, local, remote, *_] if safi.endswith(":") and afi.isalnum():
            return DetailsValue(f"{afi} {safi}", local, remote)
    return None


@lru_cache(256)
def _cached_text_line(text: str) -> Message:
    """Parse a line as `_text_line` does; cached, because an answer repeats most lines of the previous one."""
    return _text_line(text)


@lru_cache
def _address(word: str) -> str:
    """Return an address in canonical form; cached, because every summary repeats the same addresses.

    Raises:
        ValueError: the word is not an IP address.
    """
    return str(ip_address(word))
