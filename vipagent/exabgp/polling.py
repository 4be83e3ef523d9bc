"""Schedule of the queries to ExaBGP, and the replies that belong to them (E1, E5, N1, N2), sans-I/O.

There are two kinds of `show neighbor summary`. A sync query is sent first, and again after a missing reply;
all commands wait for its answer. Polls are sent periodically, one at a time; no command waits for them.

Other queries are attached to one of these: they follow in the same write, so their answers follow its answer.
The first line of a summary identifies the answer; theirs have none, and an empty table is only a reply.
"""

from collections import deque
from dataclasses import dataclass, field

from vipagent.exabgp.messages import SHOW_NEIGHBORS
from vipagent.exabgp.results import QueryAnswered

POLL_INTERVAL = 2.0
"""Delay in seconds between an answer, or the first line after a hang, and the next poll."""
POLLS_PER_HOLD_TIME = 9.0
"""Polls in a hold time, if that is more frequent (N2)."""
POLL_TIMEOUT = 10.0
"""Seconds without an answer after which the query is repeated: ExaBGP is stopped, or dropped the query."""
FIRST_ANSWER_TIMEOUT = 5.0
"""Seconds without a first answer after which acknowledgements count as disabled (`exabgp.api.ack`)."""
NO_ACK_DELAY = 0.2
"""Seconds after which a command counts as executed if acknowledgements are disabled; longer than a flush."""
IDLE_TIMEOUT = 1.0
"""Seconds after the last line at which an answer is complete if acknowledgements are disabled."""


@dataclass(slots=True)
class _Query:
    """A query without an answer."""

    number: int
    """Number of queries sent before it."""
    attached: tuple[str, ...] = ()
    """The queries attached to it."""


@dataclass(slots=True)
class _SyncQuery(_Query):
    """A pending sync query."""

    sent_at: float = field(kw_only=True)
    answers_to_skip: int = 0
    """Number of answers to earlier polls that precede its own answer."""
    answered_at: float | None = None
    """When its answer began; only the reply is outstanding since then."""
    skipped_any: bool = False
    """Whether an answer has come since it was sent."""


@dataclass(slots=True)
class _Attached:
    """Attached queries."""

    wanted: dict[str, None] = field(default_factory=dict)
    """Those to send."""
    following: tuple[str, ...] = ()
    """Those whose answers follow the reply that ends the summary that is being received."""
    awaited: deque[str] = field(default_factory=deque)
    """Those whose replies are the next ones."""
    identified: bool = False
    """Whether a summary identified the answers; else only their replies are skipped."""
    last_line_at: float = 0.0

    @property
    def in_progress(self) -> bool:
        """Whether answers are being received."""
        return bool(self.following or self.awaited)

    def expect(self, queries: tuple[str, ...], now: float, *, identified: bool = True) -> None:
        """Expect these answers after the summary that starts now; others are lost."""
        self.awaited.clear()
        self.following, self.last_line_at, self.identified = queries, now, identified

    def take(self) -> tuple[str, ...]:
        """Return the queries to send, and record them as sent."""
        queries, self.wanted = tuple(self.wanted), {}
        return queries


@dataclass(slots=True)
class NeighborPoller:
    """Schedules queries, and matches answers and replies to them."""

    poll_interval: float = POLL_INTERVAL
    """Delay in seconds between an answer and the next poll."""
    sync_due: bool = True
    """Whether to send a sync query next."""
    poll_due: bool = False
    """Whether to send a poll next."""
    next_poll_at: float | None = None
    """Time of the next poll; None: a poll is already due, or the first query is pending."""
    ever_answered: bool = False
    """Whether ExaBGP ever answered a query."""
    sent: int = 0
    """Number of queries sent."""
    _unanswered_polls: deque[_Query] = field(default_factory=deque)
    _late_answers: int = 0
    """Number of polls that count as lost, but may still be answered: the next answers are not identified."""
    _last_poll_unanswered: bool = False
    _poll_again: bool = False
    """Whether to poll again after the answer to the last poll."""
    _dropped: list[_Query] = field(default_factory=list)
    """Sync queries that timed out; their answers precede that of the pending one, if ExaBGP was stopped."""
    _sync: _SyncQuery | None = None
    """The pending sync query."""
    _expects_poll_reply: bool = False
    """Whether the next reply ends the answer to a poll."""
    _attached: _Attached = field(default_factory=_Attached)

    @property
    def sync_pending(self) -> bool:
        """Whether a sync query was sent and is not finished yet."""
        return self._sync is not None

    @property
    def sync_unanswered_since(self) -> float | None:
        """When the pending sync query was sent; None if its answer has begun, or none was ever answered."""
        if self._sync is None or self._sync.answered_at is not None or not self.ever_answered:
            return None
        return self._sync.sent_at

    def attach(self, query: str) -> None:
        """Send a query with the next sync query or poll."""
        self._attached.wanted[query] = None

    def answer_started(self, now: float) -> int | None:
        """Record the start of an answer. If acknowledgements are enabled, its reply follows immediately.

        Returns:
            The number of queries sent before the answered poll: the replies to all earlier commands have been
            received, or will never come. None if a sync query is answered, or the poll is uncertain.
        """
        self.ever_answered = True
        self._last_poll_unanswered = False
        if self._poll_again:
            self._poll_again, self.next_poll_at, self.poll_due = False, None, True
        elif not self.poll_due:
            self._schedule_poll(now + self.poll_interval)
        sync = self._sync
        if sync and sync.answered_at is None and not sync.answers_to_skip:
            sync.answered_at = now
            self._late_answers = 0
            oldest, *later = *self._dropped, sync
            self._dropped.clear()
            self._unanswered_polls, self._last_poll_unanswered = deque(later), bool(later)
            self._attached.expect(oldest.attached, now)
            return None
        if sync and sync.answers_to_skip:
            sync.answers_to_skip -= 1
            sync.skipped_any = True
        poll = self._unanswered_polls.popleft() if self._unanswered_polls else None
        # with several queries outstanding, an older one may be lost, and this answer that of a later one
        alone = not self._unanswered_polls
        self._attached.expect(poll.attached if poll else (), now, identified=alone)
        self._expects_poll_reply = True
        identified = alone and sync is None and not self._late_answers
        self._late_answers = max(0, self._late_answers - 1)
        return poll.number if poll and identified else None

    def line_received(self, now: float) -> None:
        """Record a line of an answer."""
        self._attached.last_line_at = now

    def consume_reply(self, error: str, *, first: bool) -> bool | QueryAnswered:
        """Return whether a reply belongs to a query, or is older than the pending sync query.

        Args:
            error: the error message; empty if the query succeeded.
            first: whether it is the first reply since the start.

        Returns:
            The attached query whose answer it ends, if any.
        """
        attached = self._attached
        if self._expects_poll_reply:
            self._expects_poll_reply = False
        elif attached.awaited:
            query = attached.awaited.popleft()
            return QueryAnswered(query, error) if attached.identified else True
        elif self._sync is None:
            return False
        elif self._sync.answered_at is not None:
            self._sync = None
        elif first:  # ExaBGP does not know the query, or this is a reply to the previous process
            self._unanswered_polls.append(self._sync)
            attached.expect(self._sync.attached, 0.0, identified=False)
            self._sync = None
        else:
            return True
        attached.awaited.extend(attached.following)
        attached.following = ()
        return True

    @property
    def answering_since(self) -> float | None:
        """Time of the last line of an answer that is being received; None if there is none."""
        return self._attached.last_line_at if self._attached.in_progress else None

    def answers_at(self) -> float | None:
        """Return when the answers to attached queries are complete if acknowledgements are disabled."""
        return self._attached.last_line_at + IDLE_TIMEOUT if self._attached.in_progress else None

    def complete_answers(self) -> list[QueryAnswered]:
        """Return the attached queries whose answers have ended without replies."""
        attached = self._attached
        complete = [*attached.awaited, *attached.following] if attached.identified else []
        attached.awaited.clear()
        attached.following = ()
        return [QueryAnswered(query, ended_at=attached.last_line_at) for query in complete]

    def sync_deadline(self) -> float | None:
        """Return when the pending sync query times out; None: no sync query is pending."""
        if self._sync is None:
            return None
        if self._sync.answered_at is not None:
            return self._sync.answered_at + NO_ACK_DELAY
        return self._sync.sent_at + (POLL_TIMEOUT if self.ever_answered else FIRST_ANSWER_TIMEOUT)

    def sync_timed_out(self, now: float) -> bool:
        """Drop the pending sync query. An ExaBGP that has never answered is polled: it may have been busy.

        Args:
            now: the monotonic clock, in seconds.

        Returns:
            Whether acknowledgements count as disabled; otherwise the sync query is repeated.
        """
        sync, self._sync = self._sync, None
        answered = sync is not None and sync.answered_at is not None
        if sync and sync.skipped_any and not answered:  # ExaBGP does answer, so the others are lost
            self._dropped.clear()
            self._unanswered_polls.clear()
        elif sync and not answered and self.ever_answered:
            self._dropped.append(sync)
        elif sync and not answered:  # it may be answered late, before the next poll
            self._unanswered_polls.append(sync)
            self._last_poll_unanswered = True
        self.sync_due = self.ever_answered and not answered
        if not self.ever_answered:
            self._schedule_poll(now + POLL_TIMEOUT)
        return not self.sync_due

    def poll_soon(self, now: float) -> None:
        """Schedule a poll within one interval: the answer to the previous one may be lost."""
        if self.next_poll_at is not None:
            self._schedule_poll(now + self.poll_interval)

    def poll_now(self) -> None:
        """Send a poll with the next lines, or after the answer to the last one.

        Does nothing if ExaBGP never answered a query.
        """
        if self.next_poll_at is not None:
            if self._last_poll_unanswered:
                self._poll_again = True
            else:
                self.next_poll_at, self.poll_due = None, True

    def update(self, now: float) -> None:
        """Mark the poll as due if its time has come."""
        if self.next_poll_at is not None and now >= self.next_poll_at:
            self.next_poll_at, self.poll_due = None, True

    def send_sync(self, now: float) -> list[str]:
        """Return the lines of a sync query, and record them as sent."""
        attached = self._attached.take()
        skip = len(self._unanswered_polls)
        self.sync_due, self._sync = False, _SyncQuery(self.sent, attached, skip, sent_at=now)
        self.sent += 1
        return [SHOW_NEIGHBORS, *attached]

    def send_poll(self, now: float) -> list[str]:
        """Return the lines of a poll, and record them as sent; if the last was answered, older ones are lost.

        Other queries are attached only if no earlier answer is outstanding that could be taken for theirs.
        """
        if not self._last_poll_unanswered:
            self._late_answers += len(self._unanswered_polls)
            self._unanswered_polls.clear()
        earlier = self._unanswered_polls or self._late_answers
        alone = earlier or self._attached.in_progress or self.sync_pending
        attached = () if alone else self._attached.take()
        self._unanswered_polls.append(_Query(self.sent, attached))
        self.sent += 1
        self.poll_due, self._last_poll_unanswered, self.next_poll_at = False, True, now + POLL_TIMEOUT
        return [SHOW_NEIGHBORS, *attached]

    def _schedule_poll(self, at: float) -> None:
        self.next_poll_at = at if self.next_poll_at is None else min(at, self.next_poll_at)
