"""When to query ExaBGP for its neighbours and its table, sans-I/O (N1, E2, A6)."""

from dataclasses import dataclass

from vipagent.exabgp.details import SHOW_DETAILS
from vipagent.exabgp.table import SHOW_TABLE

DETAILS_INTERVAL = 60.0
"""Seconds between two descriptions of the neighbours without a change."""
TABLE_INTERVAL = 300.0
"""Seconds between two readings of the table without a change."""
TABLE_DELAY = 1.0
"""Seconds after a change of a route until the table is read."""
TABLE_SHARE = 100
"""The table is read at most once in this many times its last answer's duration: it costs ExaBGP time."""
RETRY_DELAY = 30.0
"""Seconds after which a query is repeated if its answer is lost."""


@dataclass(slots=True)
class QuerySchedule:
    """The times at which the queries are due; both are due at the start."""

    details_at: float = 0.0
    table_at: float = 0.0
    _table_sent_at: float = 0.0
    _changed_at: float = 0.0
    """When a route changed last."""
    _next_table_at: float = 0.0
    """Earliest time of the next reading of the table."""
    _answer_started_at: float = 0.0
    """When the last answer began; ExaBGP may have been stopped before it."""

    def neighbors_changed(self, now: float) -> None:
        """Query the neighbours now."""
        self.details_at = min(self.details_at, now)

    def route_changed(self, now: float) -> None:
        """Read the table soon."""
        self._changed_at = now
        self.read_table_at(now + TABLE_DELAY)

    def read_table_at(self, at: float) -> None:
        """Read the table at a time, or earlier for another reason, but not more often than allowed."""
        self.table_at = min(self.table_at, max(at, self._next_table_at))

    def due(self, now: float) -> list[str]:
        """Return the queries to send now."""
        if now < self.details_at and now < self.table_at:
            return []
        return [
            query for query, at in ((SHOW_DETAILS, self.details_at), (SHOW_TABLE, self.table_at)) if now >= at
        ]

    def sent(self, query: str, now: float) -> None:
        """Record that a query was sent."""
        if query == SHOW_DETAILS:
            self.details_at = now + RETRY_DELAY
        elif query == SHOW_TABLE:
            self.table_at = now + RETRY_DELAY
            self._table_sent_at = now

    def answer_started(self, now: float) -> None:
        """Record the first line of an answer."""
        self._answer_started_at = now

    def answered(self, query: str, now: float) -> None:
        """Record that the answer to a query is complete."""
        if query == SHOW_DETAILS:
            self.details_at = now + DETAILS_INTERVAL
        elif query == SHOW_TABLE:
            began_at = max(self._table_sent_at, self._answer_started_at)
            self._next_table_at = now + TABLE_SHARE * (now - began_at)
            self.table_at = now + TABLE_INTERVAL
            if self._changed_at > self._table_sent_at:
                self.route_changed(now)
