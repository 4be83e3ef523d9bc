"""Simulated store: entries, sessions with a timeout, and outages."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.simulation.clock import Clock, ScheduledCall
from vipagent.store.layout import Kind

MIN_EXPIRY, MAX_EXPIRY = 0.67, 1.1
"""Range of a session's expiry after the connection is lost, in session timeouts: the last keep-alive may be a
while ago, and servers round up."""


class Session:
    """One client's session. It ends by a timeout without keep-alives, or when it is closed.

    Args:
        changed: called when a directory has changed, if the client is reachable.
    """

    def __init__(self, changed: Callable[[Kind], None]) -> None:
        self.changed = changed
        self.alive = True
        self.expiring = False
        """Whether its keep-alives have stopped."""
        self.expiry: ScheduledCall | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MemberEntry:
    """The entry of a member. Each change creates a new one."""

    value: bytes
    session: Session | None
    """The owner's session; None: created by a foreign client."""


class Server:
    """The store.

    Args:
        clock: the virtual time.
        rng: the random generator for the exact time of a session's expiry.
        session_timeout: seconds without keep-alives after which a session ends.
    """

    def __init__(self, clock: Clock, rng: Random, session_timeout: float) -> None:
        self.session_timeout = session_timeout
        self.up = True
        self.up_since = 0.0
        self.members: dict[str, MemberEntry] = {}
        self.removed_at: dict[str, float] = {}
        """The time of each member's last removal."""
        self.maintenance: dict[str, bytes] = {}
        self.members_changed_at = 0.0
        """The time of the last change to a member."""
        self._sessions: dict[Session, None] = {}
        self._clock = clock
        self._rng = rng

    def open(self, session: Session) -> None:
        """Open a session."""
        self._sessions[session] = None

    def close(self, session: Session) -> None:
        """Close a session and remove its entries."""
        session.alive = False
        self._sessions.pop(session, None)
        if session.expiry:
            session.expiry.cancel()
        for name in [name for name, entry in self.members.items() if entry.session is session]:
            self.remove(name)

    def stop_keep_alives(self, session: Session) -> None:
        """Stop a session's keep-alives, so that it expires."""
        if session.alive and not session.expiring:
            session.expiring = True
            self._schedule_expiry(session, self._rng.uniform(MIN_EXPIRY, MAX_EXPIRY))

    def keep_alive(self, session: Session) -> None:
        """Renew a session."""
        session.expiring = False
        if session.expiry:
            session.expiry.cancel()

    def put(self, name: str, value: bytes, session: Session | None) -> None:
        """Create or replace a member's entry."""
        self.members[name] = MemberEntry(value, session)
        self._changed(Kind.MEMBERS)

    def remove(self, name: str) -> None:
        """Remove a member's entry, regardless of its owner."""
        if self.members.pop(name, None):
            self.removed_at[name] = self._clock.now
            self._changed(Kind.MEMBERS)

    def set_maintenance(self, name: str, value: bytes | None) -> None:
        """Set a maintenance key, or delete it if the value is None."""
        if value is None:
            self.maintenance.pop(name, None)
        else:
            self.maintenance[name] = value
        self._changed(Kind.MAINTENANCE)

    def go_down(self) -> None:
        """Stop answering. No session expires until the store is back."""
        self.up = False

    def come_back(self, *, sessions_expired: bool) -> None:
        """Resume answering.

        Args:
            sessions_expired: whether expiring sessions end now; otherwise their timeouts start again.
        """
        self.up, self.up_since = True, self._clock.now
        for session in list(self._sessions):
            if session.expiring:
                self._schedule_expiry(
                    session, 0.0 if sessions_expired else self._rng.uniform(1.0, MAX_EXPIRY)
                )

    def _schedule_expiry(self, session: Session, timeouts: float) -> None:
        if session.expiry:
            session.expiry.cancel()
        session.expiry = self._clock.after(timeouts * self.session_timeout, lambda: self._expire(session))

    def _expire(self, session: Session) -> None:
        if self.up:
            self.close(session)

    def _changed(self, kind: Kind) -> None:
        if kind is Kind.MEMBERS:
            self.members_changed_at = self._clock.now
        for session in list(self._sessions):
            session.changed(kind)
