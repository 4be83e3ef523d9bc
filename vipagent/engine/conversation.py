"""Conversation with ExaBGP: commands, replies, and the state of its neighbours (E1-E5)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from vipagent.core.state import earliest
from vipagent.engine.gate import Gate, GateChange
from vipagent.exabgp import messages
from vipagent.exabgp.commands import CommandQueue
from vipagent.exabgp.results import CommandResult
from vipagent.exabgp.table import TableRoute


@dataclass(frozen=True, slots=True)
class ExaBGPStopping:
    """ExaBGP has announced that it is shutting down."""


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """ExaBGP has answered the query of its table, completely (E2)."""

    routes: tuple[TableRoute, ...]


ConversationEvent = CommandResult | GateChange | ExaBGPStopping | TableAnswer


class Conversation:
    """The agent's side of ExaBGP's API, without the pipes."""

    def __init__(self) -> None:
        self.commands = CommandQueue()
        self.gate = Gate()
        self.congested = True
        """Whether lines are waiting for ExaBGP to read, or the pipes are not open yet (E4)."""
        self.ended = False
        """Whether ExaBGP has closed its pipe."""
        self._shutdown = False

    @property
    def is_stopping(self) -> bool:
        """Whether ExaBGP is shutting down, has ended or hangs: its sessions end, and with them all routes."""
        return self._shutdown or self.ended or self.gate.hung

    @property
    def flushed(self) -> bool:
        """Whether ExaBGP has processed every command, or has ended."""
        return self.ended or not self.commands.busy

    def on_line(self, line: str, now: float) -> Iterator[ConversationEvent]:
        """Process one line of ExaBGP's output."""
        message = messages.parse(line)
        if change := self.gate.on_message(message, now):
            yield self._on_gate_change(change, now)
        if self.gate.hung:  # it does send something, so ask again soon
            self.commands.poll_soon(now)
        match message:
            case messages.Reply(error):
                outcome = self.commands.reply_received(error, now)
                if outcome:
                    yield outcome
            case messages.SummaryHeader():
                self.commands.answer_started(now)
            case messages.Shutdown():
                self._shutdown = True
                yield ExaBGPStopping()
            case messages.NeighborState() | None:
                pass
            case _:
                assert_never(message)

    def links_changed(self, down: Mapping[str, str], now: float) -> GateChange | None:
        """Update the neighbours whose interface is down or has no carrier; return the change, if any."""
        change = self.gate.links_changed(down, now)
        return self._on_gate_change(change, now) if change else None

    def check_timeouts(self, now: float) -> Iterator[ConversationEvent]:
        """Yield the events of queries and commands without a reply in time.

        All pending output must have been read before.
        """
        if change := self.gate.check_timeout(now):
            yield self._on_gate_change(change, now)
        yield from self.commands.handle_timeouts(now)

    def lines(self, now: float, *, final: bool) -> list[str]:
        """Return the lines to write now, and count them as written.

        Args:
            now: the monotonic clock, in seconds.
            final: whether to return everything at once, even if ExaBGP does not read (E3).
        """
        if self.ended or (self.congested and not final):
            return []
        lines = self.commands.final_withdrawals(now) if final else self.commands.next_lines(now)
        if messages.SHOW_NEIGHBORS in lines:
            self.gate.on_query_sent(now)
        return lines

    def unanswered_withdrawals(self) -> list[str]:
        """Return the withdrawals still in flight, to be written again before the agent exits (E3)."""
        return [] if self.ended else self.commands.unanswered_withdrawals()

    def deadline(self) -> float | None:
        """Return when to call `check_timeouts` and `lines` again."""
        return earliest(self.commands.deadline(), self.gate.deadline())

    def _on_gate_change(self, change: GateChange, now: float) -> GateChange:
        if change.came_up:  # its table may differ from what was acknowledged (A6)
            self.commands.neighbor_up(now)
        if change.counted and self.gate.hung:  # the query may have been lost
            self.commands.poll_soon(now)
        return change
