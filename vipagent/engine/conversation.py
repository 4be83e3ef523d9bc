"""What is said to ExaBGP, what it says, and what follows: routes, questions, neighbours (E1-E5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from vipagent.core.moment import earliest
from vipagent.engine.gate import Gate, GateChange
from vipagent.exabgp import messages
from vipagent.exabgp.commands import CommandQueue, CommandResult


@dataclass(frozen=True, slots=True)
class ShutdownSaid:
    """ExaBGP is about to end."""


News = CommandResult | GateChange | ShutdownSaid
"""What may matter to the services, or to people."""


class Conversation:
    """Everything between the agent and its ExaBGP, but the pipes."""

    def __init__(self) -> None:
        self.commands = CommandQueue()
        self.gate = Gate()
        self.congested = True
        """Whether lines wait because ExaBGP does not read, or the pipes are not open yet (E4)."""
        self.ended = False
        """Whether ExaBGP is gone."""
        self._shutdown = False

    @property
    def ends(self) -> bool:
        """Whether all routes go with ExaBGP, whatever the agent does."""
        return self._shutdown or self.ended or self.gate.hung

    @property
    def flushed(self) -> bool:
        """Whether ExaBGP has taken everything that there is to be written, or takes nothing any more."""
        return self.ended or not self.commands.busy

    def hear(self, line: str, now: float) -> Iterator[News]:
        """Process one line of ExaBGP's."""
        message = messages.parse(line)
        if change := self.gate.heard(message, now):
            yield self._follow(change, now)
        if self.gate.hung:  # yet it has said something
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
                yield ShutdownSaid()
            case messages.NeighborState() | None:
                pass
            case _:
                assert_never(message)

    def judge(self, now: float) -> list[News]:
        """Judge the neighbours by the time that has passed: what there was to read must have been read."""
        change = self.gate.overdue(now)
        return [self._follow(change, now)] if change else []

    def overdue(self, now: float) -> list[CommandResult]:
        """Return what became of commands never answered: what there was to read must have been read."""
        return self.commands.handle_timeouts(now)

    def lines(self, now: float, *, final: bool) -> list[str]:
        """Return the lines to write now, and count them as written.

        Args:
            now: the monotonic clock, in seconds.
            final: whether nothing waits any more, not even for ExaBGP to read (E3).
        """
        if self.ended or (self.congested and not final):
            return []
        lines = self.commands.final_withdrawals(now) if final else self.commands.next_lines(now)
        if messages.SHOW_NEIGHBORS in lines:
            self.gate.asked(now)
        return lines

    def unanswered_withdrawals(self) -> list[str]:
        """Return the withdrawals of prefixes that are still in flight, in the very end (E3)."""
        return [] if self.ended else self.commands.unanswered_withdrawals()

    def deadline(self) -> float | None:
        """Return when `judge`, `overdue` and `lines` are to be called again, whatever happens."""
        return earliest(self.commands.deadline(), self.gate.deadline())

    def _follow(self, change: GateChange, now: float) -> GateChange:
        if change.came_up:  # its table may not be what was acknowledged (A6)
            self.commands.neighbor_up(now)
        if change.counted and self.gate.hung:  # or has it lost the question?
            self.commands.poll_soon(now)
        return change
