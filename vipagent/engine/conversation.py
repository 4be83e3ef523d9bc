"""Conversation with ExaBGP: commands, replies, the state of its neighbours, and its table (E1-E5, N1-N3)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from vipagent.core.state import earliest
from vipagent.engine.gate import Gate, GateChange
from vipagent.exabgp import messages
from vipagent.exabgp.acceptances import Acceptances
from vipagent.exabgp.commands import CommandQueue
from vipagent.exabgp.details import SHOW_DETAILS, DetailsReader, DetailsStart, DetailsValue
from vipagent.exabgp.polling import POLL_INTERVAL, POLLS_PER_HOLD_TIME
from vipagent.exabgp.query_schedule import QuerySchedule
from vipagent.exabgp.results import CommandResult, QueryAnswered
from vipagent.exabgp.table import SHOW_TABLE, TableRoute

MAX_TABLE = 100_000
"""Maximum number of routes that are kept of an answer; a larger table counts as unknown."""


@dataclass(frozen=True, slots=True)
class ExaBGPStopping:
    """ExaBGP has announced that it is shutting down."""


class TableAnswer(NamedTuple):
    """ExaBGP's table of announced routes (E2)."""

    routes: tuple[TableRoute, ...]
    unsure: frozenset[str]
    """VIPs with a command since the query, so that the table may not contain its effect."""


ConversationEvent = CommandResult | GateChange | TableAnswer | ExaBGPStopping


class Conversation:
    """The agent's side of ExaBGP's API, without the pipes."""

    def __init__(self) -> None:
        self.commands = CommandQueue()
        self.gate = Gate()
        self._acceptances = Acceptances(self.commands)
        self.congested = True
        """Whether lines are waiting for ExaBGP to read, or the pipes are not open yet (E4)."""
        self.ended = False
        """Whether ExaBGP has closed its pipe."""
        self._shutdown = False
        self._queries = QuerySchedule()
        self._details = DetailsReader()
        self._table: list[TableRoute] = []
        """The routes of the answer that is being received."""

    @property
    def is_stopping(self) -> bool:
        """Whether ExaBGP is shutting down, has ended or hangs: its sessions end, and with them all routes."""
        return self._shutdown or self.ended or self.gate.hung

    @property
    def flushed(self) -> bool:
        """Whether ExaBGP has processed every command, or has ended."""
        return self.ended or not self.commands.busy

    def on_line(self, line: str, now: float) -> list[ConversationEvent]:
        """Process one line of ExaBGP's output; return its events."""
        message = messages.parse(line)
        events: list[ConversationEvent] = []
        if change := self.gate.on_message(message, now):
            events.append(self._on_gate_change(change, now))
        if self.gate.hung:  # it does send something, so ask again soon
            self.commands.poller.poll_soon(now)
        match message:
            case messages.NeighborState() | None:
                pass
            case messages.Reply(error):
                if result := self.commands.reply_received(error, now):
                    events += self._on_result(result, now)
            case messages.Shutdown():
                self._shutdown = True
                events.append(ExaBGPStopping())
            case _:
                for failed in self._on_answer_line(message, now):
                    events += self._on_result(failed, now)
                if isinstance(message, messages.SummaryHeader):
                    events += self._acceptances.release()
        return events

    def _on_answer_line(
        self, message: messages.SummaryHeader | DetailsStart | DetailsValue | TableRoute, now: float
    ) -> list[CommandResult]:
        match message:
            case messages.SummaryHeader():
                self._details, self._table = DetailsReader(), []
                self._queries.answer_started(now)
                return self.commands.answer_started(now)
            case DetailsStart() | DetailsValue():
                self._details.add(message)
            case TableRoute():
                if len(self._table) <= MAX_TABLE:
                    self._table.append(message)
            case _:
                assert_never(message)
        self.commands.poller.line_received(now)
        return []

    def links_changed(
        self, down: Mapping[str, str], interfaces: Mapping[str, str], now: float
    ) -> GateChange | None:
        """Update the neighbours' interfaces, and those that are down; return the change, if any."""
        change = self.gate.links_changed(down, interfaces, now)
        return self._on_gate_change(change, now) if change else None

    def check_timeouts(self, now: float) -> list[ConversationEvent]:
        """Return the events of queries and commands without a reply in time.

        All pending output must have been read before.
        """
        events: list[ConversationEvent] = []
        if change := self.gate.check_timeout(now):
            events.append(self._on_gate_change(change, now))
        for result in self.commands.handle_timeouts(now):
            events += self._on_result(result, now)
        return events

    def lines(self, now: float, *, final: bool) -> list[str]:
        """Return the lines to write now, and count them as written.

        Args:
            now: the monotonic clock, in seconds.
            final: whether to return everything at once, even if ExaBGP does not read (E3).
        """
        if self.ended or (self.congested and not final):
            return []
        if self.gate.needs_details:
            self._queries.neighbors_changed(now)
        for query in self._queries.due(now):
            self.commands.poller.attach(query)
        lines = self.commands.final_withdrawals(now) if final else self.commands.next_lines(now)
        if lines and not final and self._acceptances.query_needed:
            lines += self.commands.query_now(now)
        if messages.SHOW_NEIGHBORS in lines:
            self.gate.on_query_sent(now)
            for query in (SHOW_DETAILS, SHOW_TABLE):
                if query in lines:
                    self._queries.sent(query, now)
        return lines

    def read_table_at(self, at: float | None) -> None:
        """Read the table at a time, unless it is read earlier; None: no change."""
        if at is not None:
            self._queries.read_table_at(at)

    def unanswered_withdrawals(self) -> list[str]:
        """Return the withdrawals still in flight, to be written again before the agent exits (E3)."""
        return [] if self.ended else self.commands.unanswered_withdrawals()

    def deadline(self) -> float | None:
        """Return when to call `check_timeouts` and `lines` again."""
        writable = not (self.congested or self.ended)
        return earliest(self.commands.deadline(writable=writable), self.gate.deadline())

    def _on_result(self, result: CommandResult | QueryAnswered, now: float) -> Iterator[ConversationEvent]:
        if isinstance(result, CommandResult):
            self._queries.route_changed(now)
            if result.error:  # a neighbour that the command names may have left exabgp.conf
                self._queries.neighbors_changed(now)
            if not self._acceptances.hold(result):
                yield result
            return
        self._queries.answered(result.query, now if result.ended_at is None else result.ended_at)
        if result.error:
            return
        if result.query == SHOW_DETAILS:
            change = self.gate.details_read(self._details.finish(), now)
            self.commands.poller.poll_interval = self._poll_interval()
            if change:
                yield self._on_gate_change(change, now)
        elif len(self._table) <= MAX_TABLE:
            routes, self._table = tuple(self._table), []
            yield TableAnswer(routes, self.commands.changed_since_table())

    def _poll_interval(self) -> float:
        """Return the delay in seconds between an answer and the next poll (N2)."""
        hold = self.gate.hold_time
        # Without acknowledgements, only a pause after it shows that an answer is complete.
        if self.commands.acks_disabled or hold is None:
            return POLL_INTERVAL
        return min(POLL_INTERVAL, hold / POLLS_PER_HOLD_TIME)

    def _on_gate_change(self, change: GateChange, now: float) -> GateChange:
        if change.came_up:  # its table may differ from what was acknowledged (A6)
            self.commands.neighbor_up(now)
        if change.neighbors and self.gate.hung:  # the query may have been lost
            self.commands.poller.poll_soon(now)
        elif change.came_up:
            self._queries.neighbors_changed(now)
            self.commands.poller.poll_now()
        return change
