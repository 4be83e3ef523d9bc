"""What ExaBGP writes to its API process: replies, neighbour states, and what we need not know (E1, E5)."""

import contextlib
import json
from dataclasses import dataclass
from ipaddress import ip_address

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


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to the question begins; a reply comes at its end, if replies are on."""


Message = Reply | NeighborState | Answer | None


def parse(line: str) -> Message:
    """Return what a line says; None for what is no business of ours. Never raises."""
    text = line.strip()
    if text == "done":
        return Reply()
    if text == "error":
        return Reply(error="refused by ExaBGP")
    if text.startswith("{"):
        return _neighbor_state(text)
    return _summary_line(text.split())


def _neighbor_state(text: str) -> NeighborState | None:
    try:
        message = json.loads(text)
        if message["type"] != "state":
            return None
        neighbor = message["neighbor"]
        return NeighborState(str(neighbor["address"]["peer"]), neighbor["state"] == "up")
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _summary_line(words: list[str]) -> NeighborState | Answer | None:
    """Read the summary's head, or a neighbour's line: peer, AS, time up, state, sent, received.

    The time may be `down`, `0:00:03`, or the three words `1 day, 0:00:03`.
    """
    with contextlib.suppress(ValueError):
        match words:
            case ["Peer", "AS", *_]:
                return Answer()
            case [peer, number, _, *_, state, sent, received] if (number + sent + received).isdigit():
                return NeighborState(str(ip_address(peer)), state == "established")
    return None
