"""Queue of ExaBGP commands, sans-I/O: desired routes in, command lines out, results from replies (A6, E1).

ExaBGP's `done` does not mean that the route was sent, and its table can diverge from what it acknowledged:
changes to one prefix in the same flush are reordered, and withdrawals while a session is down can be skipped
(measured). Therefore only the latest desired route per prefix is kept, and one command per prefix is in
flight. A withdrawal is repeated after a second. All commands are repeated when a neighbour comes up, and
periodically; announcements then with a changed attribute, because ExaBGP ignores an unchanged announcement.

Replies arrive in the order of the commands and contain only `done` or `error`. If one is missing (4.2 drops
some invalid routes silently, or ExaBGP is stopped), the replies received so far may belong to other commands.
All prefixes are unconfirmed then, and their commands are repeated one at a time.

The first line written, and the first one after a missing reply, is a sync query for the neighbours' states:
a restarted agent receives no events for established sessions (E5). The first line of its answer shows which
replies are stale, and a reply after it that acknowledgements are enabled. The same query is sent every few
seconds (E5, N2), after the routes; the reply after its answer is its own.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import InitVar, dataclass, field, replace

from vipagent.core.state import earliest
from vipagent.exabgp.polling import NO_ACK_DELAY, POLL_INTERVAL, NeighborPoller
from vipagent.exabgp.prefixes import Lines, Prefixes, SentCommand
from vipagent.exabgp.results import CommandResult, QueryAnswered
from vipagent.exabgp.table import SHOW_TABLE

UNANSWERED = "no reply before the answer to a later query"
UNMATCHED = "the reply to an earlier command is missing"
MAX_IN_FLIGHT = 32
"""Maximum number of lines in flight, so that they always fit into ExaBGP's pipe (64 KiB)."""
REPLY_TIMEOUT = 5.0
"""Timeout of a reply in seconds. 4.2 never replies to some invalid routes, so this is a failure."""
SINGLE_REPLY_TIMEOUT = 1.0
"""Timeout in seconds if no other command is in flight: all others wait for it; tens of ms are usual."""
SILENCE_TIMEOUT = 1.0
"""Seconds without an answer to a sync query after which changes are sent all the same."""
RESEND_DELAY_AFTER_UP = 1.0
"""Delay in seconds between a neighbour's `up` and the resend: the first flush skips withdrawals."""
RESEND_INTERVAL = 300.0
"""Seconds between two periodic resends of all commands."""


@dataclass
class CommandQueue:
    """Turns desired routes into command lines, and replies into results.

    Args:
        poll_interval: delay in seconds between an answer and the next poll.
        acks_disabled: whether ExaBGP sends no replies.
        ever_acked: whether any reply was ever received.
    """

    poll_interval: InitVar[float] = POLL_INTERVAL
    acks_disabled: bool = False
    ever_acked: bool = False
    delimited: bool = False
    """Whether the last answer to a query has shown that all replies before it were matched, or are lost."""
    _poller: NeighborPoller = field(init=False)
    _prefixes: Prefixes = field(default_factory=Prefixes)
    _in_flight: deque[SentCommand] = field(default_factory=deque)
    _unmatched_sent: bool = False
    """Whether commands were written since the sync query, whose replies cannot be matched."""
    _resend_at: float | None = None
    _closing: bool = False
    """Whether the agent exits: a command waits only for the command in flight of the same prefix."""

    def __post_init__(self, poll_interval: float) -> None:
        self._poller = NeighborPoller(poll_interval)

    def announce(self, vip: str, lines: Lines) -> None:
        """Set the announcement `lines` as the desired command of `vip`, one line per kind of neighbour."""
        self._prefixes.set_desired(vip, lines, withdrawn=False)

    def withdraw(self, vip: str, line: str) -> None:
        """Set the withdrawal `line` as the desired command of `vip`."""
        self._prefixes.set_desired(vip, (line,), withdrawn=True)

    def confirmed(self, vip: str) -> bool:
        """Return whether ExaBGP has acknowledged the desired command of `vip`, and nothing is unsent."""
        return self._prefixes.confirmed(vip)

    def forget(self, vip: str) -> bool:
        """Drop the desired command of `vip`; return False if it is in flight, which prevents that."""
        return self._prefixes.forget(vip)

    def resend(self, vip: str) -> None:
        """Send the command of `vip` again; it must not be in flight."""
        self._prefixes.resend(vip)

    def table_read(self, announced: Collection[str]) -> None:
        """Process the VIPs that a table shows: the first table tells what an earlier run has announced."""
        self._prefixes.table_read(announced)

    def neighbor_up(self, now: float) -> None:
        """Schedule a resend: the neighbour's routes may differ from the acknowledged ones."""
        self._resend_at = now + RESEND_DELAY_AFTER_UP

    @property
    def poller(self) -> NeighborPoller:
        """The schedule of the queries."""
        return self._poller

    def answer_started(self, now: float) -> list[CommandResult]:
        """Record the first line of the answer to a query.

        Returns:
            The failed commands if a reply is missing: ExaBGP answers in order, so none will come any more.
        """
        query = self._poller.answer_started(now)
        self.delimited = query is not None or self.acks_disabled
        missing = query is not None and self._in_flight and self._in_flight[0].queries <= query
        return self._resync(now, UNANSWERED) if missing and not self.acks_disabled else []

    def reply_received(self, error: str, now: float) -> CommandResult | QueryAnswered | None:
        """Match a reply to a query or to the next line of the oldest command in flight.

        Args:
            error: the error message; empty if the command succeeded.
            now: the monotonic clock, in seconds.

        Returns:
            The result of the command if this is its last reply, or the query whose answer is complete; None
            if it is another reply.
        """
        first, self.ever_acked, self.acks_disabled = not self.ever_acked, True, False
        consumed = self._poller.consume_reply(error, first=first)
        if isinstance(consumed, QueryAnswered):
            return consumed
        if self._unmatched_sent and not self._poller.sync_pending:  # their replies follow
            self._unmatched_sent, self._poller.sync_due = False, True
        if consumed or not self._in_flight or not self._in_flight[0].add_reply(error):
            return None
        sent = self._in_flight.popleft()
        return replace(self._prefixes.finish(sent, "", now), latency=now - sent.sent_at)

    def handle_timeouts(self, now: float) -> list[CommandResult | QueryAnswered]:
        """Process all deadlines up to `now`.

        Returns:
            The results of commands that received no reply, and the queries answered without one.
        """
        self._release_scheduled(now)
        results: list[CommandResult | QueryAnswered] = []
        answered_at = self._poller.answers_at() if self.acks_disabled else None
        if answered_at is not None and now >= answered_at:
            results += self._poller.complete_answers()
        while (at := self._reply_deadline()) is not None and now >= at:
            if self._poller.sync_pending:
                self.acks_disabled = self._poller.sync_timed_out(now)
            elif self.acks_disabled:
                results.append(self._prefixes.finish(self._in_flight.popleft(), "", now))
            else:
                results += self._resync(now, f"no reply after {now - self._in_flight[0].sent_at:.1f} s")
        return results

    def next_lines(self, now: float) -> list[str]:
        """Return the lines to write now, and record them as sent."""
        if self._closing:
            return self._send(list(self._prefixes.ready), now)
        if self._poller.sync_due:
            return self._count_query(self._poller.send_sync(now))
        if self._poller.sync_pending:
            at = self._unmatched_at()
            return self._send_unmatched() if at is not None and now >= at else []
        lines = self._send(self._sendable(), now)
        if self._poller.poll_due:
            lines += self._count_query(self._poller.send_poll(now))
        return lines

    @property
    def can_delimit(self) -> bool:
        """Whether the answer to a query shows that a reply is missing."""
        return self._poller.ever_answered and not self.acks_disabled

    def announced_since_query(self) -> Iterator[str]:
        """Yield the prefixes whose announcement is in flight, if no query was sent since."""
        sent = self._poller.sent if self.can_delimit else None
        return (each.vip for each in self._in_flight if each.queries == sent and not each.withdrawn)

    def query_now(self, now: float) -> list[str]:
        """Return the lines of a poll; none, but later, while another one is unanswered."""
        self._poller.poll_now()
        return self._count_query(self._poller.send_poll(now)) if self._poller.poll_due else []

    def changed_since_table(self) -> frozenset[str]:
        """Return the prefixes with a command since the last query of the table, sent or not."""
        return frozenset(self._prefixes.since_table | self._prefixes.ready.keys())

    def _count_query(self, lines: list[str]) -> list[str]:
        if SHOW_TABLE in lines:
            self._prefixes.since_table.clear()
        return lines

    def final_withdrawals(self, now: float) -> list[str]:
        """Return all lines that can be written; from now on only prefixes in flight wait (E3)."""
        self._closing = True
        return self.next_lines(now)

    def unanswered_withdrawals(self) -> list[str]:
        """Return the withdrawals that wait for a prefix in flight, before the agent exits.

        They waited as long as possible, because ExaBGP may reorder commands in one flush. A hung ExaBGP reads
        them when it resumes.
        """
        sent = {command.vip: command.lines for command in self._in_flight}
        return [
            line
            for vip, prefix in self._prefixes.by_vip.items()
            if prefix.in_flight and prefix.withdrawn and sent.get(vip) != prefix.lines
            for line in prefix.lines
        ]

    @property
    def busy(self) -> bool:
        """Whether a command is unsent or unanswered, or a rejected withdrawal will be retried."""
        return bool(self._in_flight) or self._prefixes.busy

    def deadline(self, *, writable: bool = True) -> float | None:
        """Return when `handle_timeouts` and `next_lines` must be called next, at the latest.

        Args:
            writable: whether lines can be written, so that `next_lines` will be called.
        """
        return earliest(
            min(self._prefixes.scheduled.values(), default=None),
            self._reply_deadline(),
            self._resend_at,
            self._poller.answers_at() if self.acks_disabled else None,
            self._poller.next_poll_at,
            self._unmatched_at() if writable else None,
        )

    def _reply_deadline(self) -> float | None:
        if self._poller.sync_pending:
            return self._poller.sync_deadline()
        if not self._in_flight:
            return None
        oldest = self._in_flight[0]
        if self.acks_disabled:
            return oldest.sent_at + NO_ACK_DELAY
        waiting_since = max(oldest.sent_at, self._poller.answering_since or 0.0)
        alone = self._prefixes.by_vip[oldest.vip].unconfirmed
        return waiting_since + (SINGLE_REPLY_TIMEOUT if alone else REPLY_TIMEOUT)

    def _unmatched_at(self) -> float | None:
        """Return when to send changes although the sync query is not answered yet; None if there are none."""
        at = self._poller.sync_unanswered_since
        return at + SILENCE_TIMEOUT if at is not None and any(self._prefixes.unwritten()) else None

    def _send_unmatched(self) -> list[str]:
        """Return the changes; their replies cannot be matched, so they are sent again after the sync query.

        ExaBGP may execute what it is told although it does not answer: a failed check must withdraw (E1).
        """
        self._unmatched_sent = True
        return self._prefixes.write_unmatched()

    def _sendable(self) -> list[str]:
        """Return the prefixes to send now; none while the command of an unconfirmed one is in flight."""
        if not self._prefixes.ready:
            return []
        if any(self._prefixes.by_vip[sent.vip].unconfirmed for sent in self._in_flight):
            return []
        room = MAX_IN_FLIGHT - sum(len(sent.lines) for sent in self._in_flight)
        return self._prefixes.sendable(room, alone=not self._in_flight)

    def _send(self, vips: Iterable[str], now: float) -> list[str]:
        lines: list[str] = []
        for vip in vips:
            self._in_flight.append(self._prefixes.send(vip, now, self._poller.sent))
            lines += self._prefixes.write(vip)
        return lines

    def _resync(self, now: float, error: str) -> list[CommandResult]:
        """Fail all commands in flight and resend every prefix that a reply may be missing for.

        If only one command was in flight, the missing reply is its own; otherwise any prefix is unconfirmed.
        """
        lost, self._in_flight = self._in_flight, deque()
        alone = self._prefixes.by_vip[lost[0].vip].unconfirmed
        results = [self._prefixes.finish(sent, UNMATCHED if i else error, now) for i, sent in enumerate(lost)]
        for vip in [lost[0].vip] if alone else self._prefixes.by_vip:
            self._prefixes.by_vip[vip].unconfirmed = True
            if vip not in self._prefixes.scheduled:
                self.resend(vip)
        self._poller.sync_due = self._poller.ever_answered
        return results

    def _release_scheduled(self, now: float) -> None:
        self._poller.update(now)
        self._prefixes.release_scheduled(now)
        if self._resend_at is None:
            self._resend_at = now + RESEND_INTERVAL
        elif now >= self._resend_at:
            self._resend_at = now + RESEND_INTERVAL
            self._prefixes.resend_idle()
