"""A modelled ExaBGP in virtual time: it reorders, skips and forgets as the real ones were measured to."""

import json
import re
from dataclasses import dataclass, field

from vipagent.exabgp.messages import SHOW_NEIGHBORS

PEER = "192.0.2.1"
COMMAND = re.compile(
    r"announce route (?P<announced>\S+)"
    r" (?P<attributes>next-hop self med \d+(?: community \[ 65535:0 \])?(?: origin igp)?)"
    r"|withdraw route (?P<withdrawn>\S+)"
)
WITHDRAWN = "withdrawn"
DEFAULT = " origin igp"
"""Spelled out or not: the same to a neighbour, but not to ExaBGP."""

FIRST_FLUSH = 0.5
"""Seconds after a session came up in which withdrawals are skipped."""


@dataclass
class ExaBGP:
    """One ExaBGP with one neighbour."""

    acks: bool = True
    """Whether it replies at all."""
    delay: float = 0.01
    """Seconds until it takes what waits in its pipe: all in one turn, and in one flush."""
    established: bool = True
    stalled: bool = False
    """Stopped, as by SIGSTOP: what is written waits in the pipe."""
    refused: set[str] = field(default_factory=set)
    """The prefixes whose announcements it refuses."""
    pipe: list[str] = field(default_factory=list)
    table: dict[str, str] = field(default_factory=dict)
    """What it has acknowledged: attributes by prefix."""
    wire: dict[str, str] = field(default_factory=dict)
    """What its neighbour has."""
    turn_at: float | None = None
    _forgotten: dict[str, str] = field(default_factory=dict)
    """Announced while the session was down; comes up with it, withdrawn or not."""
    up_at: float = -FIRST_FLUSH

    def write(self, lines: list[str], now: float) -> None:
        """Put lines into its pipe."""
        self.pipe += lines
        if self.pipe and self.turn_at is None and not self.stalled:
            self.turn_at = now + self.delay

    def turn(self, now: float) -> list[str]:
        """Take what waits, flush, and return what it says."""
        lines, self.pipe, self.turn_at = self.pipe, [], None
        said: list[str] = []
        flush = _Flush(self.table)
        for line in lines:
            if line == SHOW_NEIGHBORS:
                said += self._summary()
                reply = "done"
            else:
                reply = self._take(line, flush)
            if self.acks:
                said.append(reply)
        self._send(flush, now)
        return said

    def stall(self) -> None:
        """Stop to read, as if stopped by a signal."""
        self.stalled, self.turn_at = True, None

    def resume(self, now: float) -> None:
        """Go on after a stop."""
        self.stalled = False
        self.write([], now)

    def session(self, now: float, *, established: bool) -> list[str]:
        """Bring the BGP session up or take it down; return what it says about that."""
        if established == self.established:
            return []
        self.established = established
        sent = {prefix: attributes.removesuffix(DEFAULT) for prefix, attributes in self.table.items()}
        self.wire = self._forgotten | sent if established else {}
        self._forgotten, self.up_at = {}, now
        return [state_line("up" if established else "down")]

    def _take(self, line: str, flush: "_Flush") -> str:
        command = COMMAND.fullmatch(line)
        assert command, f"no command: {line!r}"
        prefix = command["announced"] or command["withdrawn"]
        if command["announced"] and prefix in self.refused:
            return "error"
        flush.change(prefix, command["attributes"] or WITHDRAWN)
        return "done"

    def _send(self, flush: "_Flush", now: float) -> None:
        for prefix, attributes in flush.in_order():
            if not self.established:
                if attributes != WITHDRAWN:
                    self._forgotten[prefix] = attributes.removesuffix(DEFAULT)
            elif attributes != WITHDRAWN:
                self.wire[prefix] = attributes.removesuffix(DEFAULT)
            elif now >= self.up_at + FIRST_FLUSH:
                self.wire.pop(prefix, None)

    def _summary(self) -> list[str]:
        state = "0:00:03 established" if self.established else "down idle"
        return [
            "Peer            AS        up/down state       |     #sent     #recvd",
            f"{PEER}     65000     {state}           3          2",
        ]


class _Flush:
    """What goes out together: grouped by attributes, so changes of one prefix may change places."""

    def __init__(self, table: dict[str, str]) -> None:
        self._table = table
        self._groups: dict[str, dict[str, None]] = {}
        self._latest: dict[str, str] = {}

    def change(self, prefix: str, attributes: str) -> None:
        if attributes == WITHDRAWN:
            self._table.pop(prefix, None)
            self._groups.get(self._latest.get(prefix, ""), {}).pop(prefix, None)
        elif self._table.get(prefix) == attributes:
            return
        else:
            self._table[prefix] = attributes
        self._groups.setdefault(attributes, {})[prefix] = None
        self._latest[prefix] = attributes

    def in_order(self) -> list[tuple[str, str]]:
        return [(prefix, attributes) for attributes, group in self._groups.items() for prefix in group]


def state_line(state: str, peer: str = PEER) -> str:
    """Return the line that tells a neighbour's state."""
    neighbor = {"address": {"local": "192.0.2.2", "peer": peer}, "state": state}
    return json.dumps({"exabgp": "5.0.0", "type": "state", "neighbor": neighbor})
