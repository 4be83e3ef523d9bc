"""What ExaBGP writes to its API process: replies, neighbour states, and what we need not know (E1, E5)."""

import contextlib
import json
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

SHOW_NEIGHBORS = "show neighbor summary"
"""The one question that 4.2 and 5 both answer at any time: a line a neighbour, then `done`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a command."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class NeighborState:
    """A BGP session came up or went down."""

    peer: str
    established: bool
    asn: int | None = None
    """The neighbour's AS number, where the line has it."""
    listed: bool = False
    """Whether an answer says so, not an event."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to the question begins; a reply comes at its end, if replies are on."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """ExaBGP is about to end, and has ended its BGP sessions already (E3)."""


Message = Reply | NeighborState | Answer | Shutdown | None


def parse(line: str) -> Message:
    """Return what a line says; None for what is no business of ours. Never raises."""
    text = line.strip()
    if text == "done":
        return Reply()
    if text == "error":
        return Reply(error="refused by ExaBGP")
    if text.startswith("{"):
        return _json_event(text)
    return _text_line(text.split())


def _json_event(text: str) -> NeighborState | Shutdown | None:
    try:
        message = _loaded(text)
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


def _loaded(text: str) -> dict[str, Any]:
    """Parse an event; 5.0 writes the unknown AS number of a neighbour with `peer-as auto` as Python does.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        loaded: dict[str, Any] = json.loads(text)
    except ValueError:
        loaded = json.loads(text.replace('"peer": None', '"peer": null'))
    return loaded


def _json_asn(asn: object) -> int | None:
    number = asn.get("peer") if isinstance(asn, dict) else None
    return number if type(number) is int else None


def _text_line(words: list[str]) -> Message:
    """Read an event of the text encoder, the summary's head, or a neighbour's line of it.

    The summary has peer, AS, time up, state, sent, received. The time may be `down`, `0:00:03`, or the three
    words `1 day, 0:00:03`; the AS may be `n/a`.
    """
    with contextlib.suppress(ValueError):
        match words:
            case ["Peer", "AS", *_]:
                return Answer()
            case ["shutdown", pid, parent] if (pid + parent).isdecimal():
                return Shutdown()
            case ["neighbor", peer, "up"]:
                return NeighborState(_address(peer), established=True)
            case ["neighbor", peer, "connected"] | ["neighbor", peer, "down", *_]:
                return NeighborState(_address(peer), established=False)
            case [peer, asn, _, *_, state, sent, received] if (sent + received).isdecimal():
                number = int(asn) if asn.isdecimal() else None
                return NeighborState(_address(peer), state == "established", number, listed=True)
    return None


@lru_cache
def _address(word: str) -> str:
    """Return an address in its one spelling; the same few come with every answer.

    Raises:
        ValueError: it is none.
    """
    return str(ip_address(word))
