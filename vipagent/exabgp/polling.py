"""Schedule of the `show neighbor summary` queries (E1, E5, N2).

There are two kinds of query. A sync query is sent first, and again after a missing reply; all commands wait
for its answer. Poll queries are sent periodically, one at a time; no command waits for them.
"""

from dataclasses import dataclass

POLL_INTERVAL = 2.0
"""Delay in seconds between an answer, or the first line after a hang, and the next poll."""
POLL_TIMEOUT = 60.0
"""Seconds without an answer after which the query is repeated: ExaBGP is stopped, or dropped the query."""
FIRST_ANSWER_TIMEOUT = 5.0
"""Seconds without a first answer after which acknowledgements count as disabled (`exabgp.api.ack`)."""
NO_ACK_DELAY = 0.2
"""Seconds after which a command counts as executed if acknowledgements are disabled; longer than a flush."""


@dataclass(slots=True)
class _SyncQuery:
    """A pending sync query."""

    sent_at: float
    answers_to_skip: int = 0
    """Number of answers to earlier polls that precede its own answer."""
    answered_at: float | None = None
    """When its answer began; only the reply is outstanding since then."""


@dataclass(slots=True)
class NeighborPoller:
    """Schedules sync and poll queries and matches answers and replies to them."""

    poll_interval: float = POLL_INTERVAL
    """Delay in seconds between an answer and the next poll."""
    sync_due: bool = True
    """Whether to send a sync query next."""
    poll_due: bool = False
    """Whether to send a poll next."""
    next_poll_at: float | None = None
    """Time of the next poll; None: a poll is already due, or ExaBGP never answered a query."""
    ever_answered: bool = False
    """Whether ExaBGP ever answered a query."""
    _unanswered_polls: int = 0
    _last_poll_unanswered: bool = False
    _sync: _SyncQuery | None = None
    """The pending sync query."""
    _expects_poll_reply: bool = False
    """Whether the next reply ends the answer to a poll."""

    @property
    def sync_pending(self) -> bool:
        """Whether a sync query was sent and is not finished yet."""
        return self._sync is not None

    def answer_started(self, now: float) -> None:
        """Record the start of an answer. If acknowledgements are enabled, its reply follows immediately."""
        self.ever_answered = True
        self._unanswered_polls, self._last_poll_unanswered = max(0, self._unanswered_polls - 1), False
        if not self.poll_due:
            self._schedule_poll(now + self.poll_interval)
        sync = self._sync
        if sync and sync.answered_at is None and not sync.answers_to_skip:
            sync.answered_at = now
            return
        if sync and sync.answers_to_skip:
            sync.answers_to_skip -= 1
        self._expects_poll_reply = True

    def consume_reply(self, *, first: bool) -> bool:
        """Return whether a reply belongs to a query, or is older than the pending sync query.

        Args:
            first: whether it is the first reply since the start.
        """
        if self._expects_poll_reply:
            self._expects_poll_reply = False
            return True
        if self._sync is None:
            return False
        if first or self._sync.answered_at is not None:
            self._sync = None
        return True

    def sync_deadline(self) -> float | None:
        """Return when the pending sync query times out; None: no sync query is pending."""
        if self._sync is None:
            return None
        if self._sync.answered_at is not None:
            return self._sync.answered_at + NO_ACK_DELAY
        return self._sync.sent_at + (POLL_TIMEOUT if self.ever_answered else FIRST_ANSWER_TIMEOUT)

    def sync_timed_out(self) -> bool:
        """Drop the pending sync query.

        Returns:
            Whether acknowledgements count as disabled; otherwise the sync query is repeated.
        """
        answered = self._sync is not None and self._sync.answered_at is not None
        self._sync = None
        self.sync_due = self.ever_answered and not answered
        return not self.sync_due

    def poll_soon(self, now: float) -> None:
        """Schedule a poll within one interval: the answer to the previous one may be lost."""
        if self.next_poll_at is not None:
            self._schedule_poll(now + self.poll_interval)

    def update(self, now: float) -> None:
        """Mark the poll as due if its time has come."""
        if self.next_poll_at is not None and now >= self.next_poll_at:
            self.next_poll_at, self.poll_due = None, True

    def sync_sent(self, now: float) -> None:
        """Record that a sync query was sent."""
        self.sync_due, self._sync = False, _SyncQuery(now, answers_to_skip=self._unanswered_polls)

    def poll_sent(self, now: float) -> None:
        """Record that a poll was sent. If the last poll was answered, older ones are lost."""
        self._unanswered_polls = self._unanswered_polls + 1 if self._last_poll_unanswered else 1
        self.poll_due, self._last_poll_unanswered, self.next_poll_at = False, True, now + POLL_TIMEOUT

    def _schedule_poll(self, at: float) -> None:
        self.next_poll_at = at if self.next_poll_at is None else min(at, self.next_poll_at)
