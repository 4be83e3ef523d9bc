"""Simulated ExaBGP in virtual time; reorders and drops changes like the real one (measured)."""

import json
import re
from dataclasses import dataclass, field

from vipagent.exabgp.details import SHOW_DETAILS
from vipagent.exabgp.messages import SHOW_NEIGHBORS
from vipagent.exabgp.table import SHOW_TABLE

PEER = "192.0.2.1"
COMMAND = re.compile(
    r"announce route (?P<announced>\S+)"
    r" (?P<attributes>next-hop self med \d+(?: community \[ 65535:0 \])?(?: origin igp)?)"
    r"|withdraw route (?P<withdrawn>\S+)"
)
WITHDRAWN = "withdrawn"
FORCE_RESEND = " origin igp"
"""Default attribute: the route is the same with and without it, but ExaBGP sends it again."""

FIRST_FLUSH = 0.5
"""Seconds after a session comes up during which withdrawals are skipped."""


@dataclass
class ExaBGP:
    """One ExaBGP with one neighbour."""

    acks: bool = True
    """Whether it acknowledges commands."""
    delay: float = 0.01
    """Seconds until it processes all lines in its pipe, in one flush."""
    established: bool = True
    paused: bool = False
    """Whether it is paused, as by SIGSTOP; lines stay in the pipe."""
    refused: set[str] = field(default_factory=set)
    """The prefixes whose announcements it rejects."""
    pipe: list[str] = field(default_factory=list)
    table: dict[str, str] = field(default_factory=dict)
    """The acknowledged routes: attributes by prefix."""
    wire: dict[str, str] = field(default_factory=dict)
    """The routes that its neighbour has received."""
    process_at: float | None = None
    _announced_while_down: dict[str, str] = field(default_factory=dict)
    """Routes announced while the session was down; sent when it comes up, even if withdrawn since."""
    up_at: float = -FIRST_FLUSH

    def write(self, lines: list[str], now: float) -> None:
        """Write lines to its pipe."""
        self.pipe += lines
        if self.pipe and self.process_at is None and not self.paused:
            self.process_at = now + self.delay

    def process(self, now: float) -> list[str]:
        """Process the lines in the pipe, flush the changes, and return the output."""
        lines, self.pipe, self.process_at = self.pipe, [], None
        output: list[str] = []
        flush = _Flush(self.table)
        for line in lines:
            if line in (SHOW_NEIGHBORS, SHOW_DETAILS, SHOW_TABLE):
                answers = {
                    SHOW_NEIGHBORS: self._summary,
                    SHOW_DETAILS: self._details,
                    SHOW_TABLE: self._table,
                }
                output += answers[line]()
                reply = "done"
            else:
                reply = self._execute(line, flush)
            if self.acks:
                output.append(reply)
        self._send(flush, now)
        return output

    def pause(self) -> None:
        """Pause the process, as SIGSTOP does."""
        self.paused, self.process_at = True, None

    def resume(self, now: float) -> None:
        """Resume the process."""
        self.paused = False
        self.write([], now)

    def set_session(self, now: float, *, established: bool) -> list[str]:
        """Bring the BGP session up or down; return the output."""
        if established == self.established:
            return []
        self.established = established
        sent = {prefix: attributes.removesuffix(FORCE_RESEND) for prefix, attributes in self.table.items()}
        self.wire = self._announced_while_down | sent if established else {}
        self._announced_while_down, self.up_at = {}, now
        return [state_line("up" if established else "down")]

    def _execute(self, line: str, flush: "_Flush") -> str:
        command = COMMAND.fullmatch(line)
        assert command, f"invalid command: {line!r}"
        prefix = command["announced"] or command["withdrawn"]
        if command["announced"] and prefix in self.refused:
            return "error"
        flush.change(prefix, command["attributes"] or WITHDRAWN)
        return "done"

    def _send(self, flush: "_Flush", now: float) -> None:
        for prefix, attributes in flush.reordered():
            if not self.established:
                if attributes != WITHDRAWN:
                    self._announced_while_down[prefix] = attributes.removesuffix(FORCE_RESEND)
            elif attributes != WITHDRAWN:
                self.wire[prefix] = attributes.removesuffix(FORCE_RESEND)
            elif now >= self.up_at + FIRST_FLUSH:
                self.wire.pop(prefix, None)

    def _details(self) -> list[str]:
        up = self.established
        return [
            f"Neighbor {PEER}",
            f"   state   {'ESTABLISHED' if up else 'IDLE'}",
            f"   AS   65001   {65000 if up else 'n/a'}",
            f"   hold-time   9   {9 if up else 'n/a'}",
            f"   ipv4 unicast:   enabled   {'enabled' if up else 'n/a'}   disabled",
            f"   total:   4   {4 if up else 0}",
        ]

    def _table(self) -> list[str]:
        return [
            f"neighbor {PEER} local-ip 192.0.2.2 ipv4 unicast {prefix} {attributes}"
            for prefix, attributes in self.table.items()
        ]

    def _summary(self) -> list[str]:
        state = "0:00:03 established" if self.established else "down idle"
        return [
            "Peer            AS        up/down state       |     #sent     #recvd",
            f"{PEER}     65000     {state}           3          2",
        ]


class _Flush:
    """Changes sent together, grouped by attributes, which may reorder changes to one prefix."""

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

    def reordered(self) -> list[tuple[str, str]]:
        return [(prefix, attributes) for attributes, group in self._groups.items() for prefix in group]


def state_line(state: str, peer: str = PEER) -> str:
    """Return the event line of a neighbour's state."""
    neighbor = {"address": {"local": "192.0.2.2", "peer": peer}, "state": state}
    return json.dumps({"exabgp": "5.0.0", "type": "state", "neighbor": neighbor})
