"""Queue of ExaBGP commands, sans-I/O: desired routes in, command lines out, results from replies (A6, E1).

ExaBGP's `done` does not mean that the route was sent, and its table can diverge from what it acknowledged:
changes to one prefix in the same flush are reordered, and withdrawals while a session is down can be skipped
(measured). Therefore only the latest desired route per prefix is kept, and one command per prefix is in
flight. A withdrawal is repeated after a second. All commands are repeated when a neighbour comes up, and
periodically; announcements then with a changed attribute, because ExaBGP ignores an unchanged announcement.

Replies arrive in the order of the commands and contain only `done` or `error`. If one is missing (4.2 drops
some invalid routes silently, or ExaBGP is stopped), the replies received so far may belong to other commands.
All prefixes are unconfirmed then, and their commands are repeated one at a time.

The first line written, and the first one after a missing reply, is a sync query for the neighbours' states. A
restarted agent receives no events for established sessions (E5). The first line of the answer identifies it,
so earlier replies are recognised as stale, and a reply after the answer shows that acknowledgements are
enabled.

The same query is sent every few seconds (E5, N2), one at a time and after the routes. ExaBGP executes
commands in order, so a query may be sent while commands are in flight: the reply after its answer is its own.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field, replace

from vipagent.core.state import earliest
from vipagent.exabgp.polling import NO_ACK_DELAY, POLL_INTERVAL, NeighborPoller, QueryAnswered
from vipagent.exabgp.results import CommandResult
from vipagent.exabgp.table import SHOW_TABLE

MAX_IN_FLIGHT = 32
"""Maximum number of commands in flight, so that they always fit into ExaBGP's pipe (64 KiB)."""
REPLY_TIMEOUT = 5.0
"""Timeout of a reply in seconds. 4.2 never replies to some invalid routes, so this is a failure."""
SINGLE_REPLY_TIMEOUT = 1.0
"""Timeout in seconds if no other command is in flight: all others wait for it; tens of ms are usual."""
SILENCE_TIMEOUT = 1.0
"""Seconds without an answer to a sync query after which changes are sent all the same."""
WITHDRAW_REPEAT_DELAY = 1.0
"""Delay in seconds between the acknowledgement of a withdrawal and its repetition."""
RESEND_DELAY_AFTER_UP = 1.0
"""Delay in seconds between a neighbour's `up` and the resend: the first flush skips withdrawals."""
RESEND_INTERVAL = 300.0
"""Seconds between two periodic resends of all commands."""
FORCE_RESEND = " origin igp"
"""Attribute equal to the default, so the route is unchanged, but ExaBGP sends the announcement again."""
MIN_REJECTED_DELAY, MAX_REJECTED_DELAY = 0.5, 30.0
"""Delay in seconds before a rejected command is retried: the first one and the longest."""


@dataclass(slots=True)
class _Prefix:
    """The desired command of one prefix, and its progress."""

    line: str
    withdrawn: bool
    written: str = ""
    """The last line written, without the suffix."""
    suffix: str = ""
    """Appended to the command: `FORCE_RESEND` in every second resend."""
    in_flight: bool = False
    repeat: bool = False
    """Whether to repeat the withdrawal once it is acknowledged."""
    unconfirmed: bool = False
    """Whether the last reply is missing or belongs to another command: send it while none is in flight."""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class _SentCommand:
    vip: str
    line: str
    withdrawn: bool
    sent_at: float


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
    _poller: NeighborPoller = field(init=False)
    _prefixes: dict[str, _Prefix] = field(default_factory=dict)
    _ready: dict[str, None] = field(default_factory=dict)
    _scheduled: dict[str, float] = field(default_factory=dict)
    _in_flight: deque[_SentCommand] = field(default_factory=deque)
    _unmatched_sent: bool = False
    """Whether commands were written since the sync query, whose replies cannot be matched."""
    _since_table: set[str] = field(default_factory=set)
    _resend_at: float | None = None
    _closing: bool = False
    """Whether the agent exits: a command waits only for the command in flight of the same prefix."""

    def __post_init__(self, poll_interval: float) -> None:
        self._poller = NeighborPoller(poll_interval)

    def announce(self, vip: str, line: str) -> None:
        """Set the announcement `line` as the desired command of `vip`."""
        self._set_desired(vip, line, withdrawn=False)

    def withdraw(self, vip: str, line: str) -> None:
        """Set the withdrawal `line` as the desired command of `vip`."""
        self._set_desired(vip, line, withdrawn=True)

    def confirmed(self, vip: str) -> bool:
        """Return whether ExaBGP has acknowledged the desired command of `vip`, and nothing is unsent."""
        prefix = self._prefixes.get(vip)
        pending = prefix is None or vip in self._ready or prefix.in_flight
        return not pending and not (self._prefixes[vip].failures or self._prefixes[vip].unconfirmed)

    def forget(self, vip: str) -> bool:
        """Drop the desired command of `vip`; return False if it is in flight, which prevents that."""
        if self._prefixes[vip].in_flight:
            return False
        del self._prefixes[vip]
        self._ready.pop(vip, None)
        self._scheduled.pop(vip, None)
        return True

    def resend(self, vip: str) -> None:
        """Send the command of `vip` again; it must not be in flight."""
        prefix = self._prefixes[vip]
        if not prefix.withdrawn:
            prefix.suffix = "" if prefix.suffix else FORCE_RESEND
        self._ready[vip] = None

    def neighbor_up(self, now: float) -> None:
        """Schedule a resend: the neighbour's routes may differ from the acknowledged ones."""
        self._resend_at = now + RESEND_DELAY_AFTER_UP

    @property
    def poller(self) -> NeighborPoller:
        """The schedule of the queries."""
        return self._poller

    def reply_received(self, error: str, now: float) -> CommandResult | QueryAnswered | None:
        """Match a reply to a query or to the oldest command in flight.

        Args:
            error: the error message; empty if the command succeeded.
            now: the monotonic clock, in seconds.

        Returns:
            The result of the command, or the query whose answer is complete; None if it is another reply.
        """
        first, self.ever_acked, self.acks_disabled = not self.ever_acked, True, False
        consumed = self._poller.consume_reply(error, first=first)
        if isinstance(consumed, QueryAnswered):
            return consumed
        if self._unmatched_sent and not self._poller.sync_pending:  # their replies follow
            self._unmatched_sent, self._poller.sync_due = False, True
        if consumed or not self._in_flight:
            return None
        sent = self._in_flight.popleft()
        return replace(self._finish(sent, error, now), latency=now - sent.sent_at)

    def handle_timeouts(self, now: float) -> list[CommandResult | QueryAnswered]:
        """Process all deadlines up to `now`.

        Returns:
            The results of commands that received no reply, and the queries answered without one.
        """
        self._release_scheduled(now)
        results: list[CommandResult | QueryAnswered] = []
        answered_at = self._poller.answers_at(acks_disabled=self.acks_disabled)
        if answered_at is not None and now >= answered_at:
            results += self._poller.complete_answers()
        while (at := self._reply_deadline()) is not None and now >= at:
            if self._poller.sync_pending:
                self.acks_disabled = self._poller.sync_timed_out(now)
            elif self.acks_disabled:
                results.append(self._finish(self._in_flight.popleft(), "", now))
            else:
                results += self._resync(now)
        return results

    def next_lines(self, now: float) -> list[str]:
        """Return the lines to write now, and record them as sent."""
        if self._closing:
            return self._send_all(now)
        if self._poller.sync_due:
            return self._count_query(self._poller.send_sync(now))
        if self._poller.sync_pending:
            at = self._unmatched_at()
            return self._send_unmatched() if at is not None and now >= at else []
        lines = [self._send(vip, now) for vip in self._sendable()]
        if self._poller.poll_due:
            lines += self._count_query(self._poller.send_poll(now))
        return lines

    def changed_since_table(self) -> frozenset[str]:
        """Return the prefixes with a command since the last query of the table, sent or not."""
        return frozenset(self._since_table | self._ready.keys())

    def _count_query(self, lines: list[str]) -> list[str]:
        if SHOW_TABLE in lines:
            self._since_table.clear()
        return lines

    def final_withdrawals(self, now: float) -> list[str]:
        """Return all lines that can be written; from now on only prefixes in flight wait (E3)."""
        self._closing = True
        return self._send_all(now)

    def unanswered_withdrawals(self) -> list[str]:
        """Return the withdrawals that wait for a prefix in flight, before the agent exits.

        They waited as long as possible, because ExaBGP may reorder commands in one flush. A hung ExaBGP reads
        them when it resumes.
        """
        lines = {sent.vip: sent.line for sent in self._in_flight}
        return [
            prefix.line
            for vip, prefix in self._prefixes.items()
            if prefix.in_flight and prefix.withdrawn and lines.get(vip) != prefix.line
        ]

    @property
    def busy(self) -> bool:
        """Whether a command is unsent or unanswered, or a rejected withdrawal will be retried."""
        if self._in_flight or self._ready:
            return True
        return any(self._prefixes[vip].withdrawn and self._prefixes[vip].failures for vip in self._scheduled)

    def deadline(self) -> float | None:
        """Return when `handle_timeouts` and `next_lines` must be called next, at the latest."""
        scheduled = min(self._scheduled.values(), default=None)
        answered_at = self._poller.answers_at(acks_disabled=self.acks_disabled)
        polls = earliest(answered_at, self._poller.next_poll_at, self._unmatched_at())
        return earliest(scheduled, self._reply_deadline(), self._resend_at, polls)

    def _reply_deadline(self) -> float | None:
        if self._poller.sync_pending:
            return self._poller.sync_deadline()
        if not self._in_flight:
            return None
        oldest = self._in_flight[0]
        if self.acks_disabled:
            return oldest.sent_at + NO_ACK_DELAY
        alone = self._prefixes[oldest.vip].unconfirmed
        return oldest.sent_at + (SINGLE_REPLY_TIMEOUT if alone else REPLY_TIMEOUT)

    def _set_desired(self, vip: str, line: str, *, withdrawn: bool) -> None:
        prefix = self._prefixes.setdefault(vip, _Prefix("", withdrawn))
        if prefix.line == line:
            return
        prefix.line, prefix.withdrawn, prefix.repeat = line, withdrawn, withdrawn
        prefix.suffix, prefix.failures = "", 0
        self._scheduled.pop(vip, None)
        if not prefix.in_flight:
            self._ready[vip] = None

    def _unmatched_at(self) -> float | None:
        """Return when to send changes although the sync query is not answered yet; None if there are none."""
        at = self._poller.sync_unanswered_since
        return at + SILENCE_TIMEOUT if at is not None and any(self._unwritten()) else None

    def _unwritten(self) -> Iterator[str]:
        """Yield the prefixes whose desired command was never written."""
        return (vip for vip in self._ready if self._prefixes[vip].line != self._prefixes[vip].written)

    def _send_unmatched(self) -> list[str]:
        """Return the changes; their replies cannot be matched, so they are sent again after the sync query.

        ExaBGP may execute what it is told although it does not answer: a failed check must withdraw (E1).
        """
        self._unmatched_sent = True
        return [self._written(vip) for vip in list(self._unwritten())]

    def _written(self, vip: str) -> str:
        """Return the line of a prefix, and record it as written."""
        prefix = self._prefixes[vip]
        prefix.written = prefix.line
        self._since_table.add(vip)
        return prefix.line + prefix.suffix

    def _sendable(self) -> list[str]:
        """Return the prefixes to send now: confirmed ones together, unconfirmed ones one at a time."""
        if not self._ready or any(self._prefixes[sent.vip].unconfirmed for sent in self._in_flight):
            return []
        confirmed = [vip for vip in self._ready if not self._prefixes[vip].unconfirmed]
        if confirmed or self._in_flight:
            return confirmed[: max(0, MAX_IN_FLIGHT - len(self._in_flight))]
        return list(self._ready)[:1]

    def _send_all(self, now: float) -> list[str]:
        return [self._send(vip, now) for vip in list(self._ready)]

    def _send(self, vip: str, now: float) -> str:
        del self._ready[vip]
        prefix = self._prefixes[vip]
        prefix.in_flight = True
        self._in_flight.append(_SentCommand(vip, prefix.line, prefix.withdrawn, now))
        return self._written(vip)

    def _finish(self, sent: _SentCommand, error: str, now: float) -> CommandResult:
        prefix = self._prefixes[sent.vip]
        prefix.in_flight = prefix.unconfirmed = False
        is_current = prefix.line == sent.line
        if not is_current:
            self._ready[sent.vip] = None
        elif error:
            delay = min(MIN_REJECTED_DELAY * 2.0**prefix.failures, MAX_REJECTED_DELAY)
            self._scheduled[sent.vip] = now + delay
            prefix.failures = min(prefix.failures + 1, 16)
        else:
            prefix.failures = 0
            if prefix.repeat:
                prefix.repeat = False
                self._scheduled[sent.vip] = now + WITHDRAW_REPEAT_DELAY
        return CommandResult(sent.vip, sent.line, error, is_current, not sent.withdrawn)

    def _resync(self, now: float) -> list[CommandResult]:
        """Fail all commands in flight and resend every prefix that a reply may be missing for.

        If only one command was in flight, the missing reply is its own; otherwise any prefix is unconfirmed.
        """
        lost, self._in_flight = self._in_flight, deque()
        alone = self._prefixes[lost[0].vip].unconfirmed
        results = [self._finish(sent, f"no reply within {now - sent.sent_at:.1f} s", now) for sent in lost]
        for vip in [lost[0].vip] if alone else self._prefixes:
            self._prefixes[vip].unconfirmed = True
            if vip not in self._scheduled:
                self.resend(vip)
        self._poller.sync_due = self._poller.ever_answered
        return results

    def _release_scheduled(self, now: float) -> None:
        self._poller.update(now)
        for vip in [vip for vip, at in self._scheduled.items() if now >= at]:
            del self._scheduled[vip]
            self._ready[vip] = None
        if self._resend_at is None:
            self._resend_at = now + RESEND_INTERVAL
        elif now >= self._resend_at:
            self._resend_at = now + RESEND_INTERVAL
            self._resend_idle()

    def _resend_idle(self) -> None:
        """Resend all prefixes that are neither in flight nor scheduled, withdrawals first."""
        for vip, prefix in sorted(self._prefixes.items(), key=lambda item: not item[1].withdrawn):
            if not prefix.in_flight and vip not in self._scheduled:
                self.resend(vip)
