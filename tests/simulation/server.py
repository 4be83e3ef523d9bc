"""The modelled store: entries, sessions that end when nothing is heard of them, and outages."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.simulation.clock import Alarm, Clock
from vipagent.store.layout import Kind

EARLIEST, LATEST = 0.67, 1.1
"""When a session ends that nothing is heard of, in session lives: the last sign of life may be a while ago,
and servers round up."""


class Session:
    """One client's session. It lives until nothing was heard for its life, or it is closed."""

    def __init__(self, changed: Callable[[Kind], None]) -> None:
        self.changed = changed
        """Called when a directory changed, if the client can be reached."""
        self.lives = True
        self.silent = False
        """Whether nothing is heard of it."""
        self.end: Alarm | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A member's entry, another one after each change, and whose it is; None: a foreign client's."""

    value: bytes
    session: Session | None


class Server:
    """The store.

    Args:
        clock: the time.
        rng: what the exact time of a session's end is drawn from.
        life: seconds that a session lives without a sign of life.
    """

    def __init__(self, clock: Clock, rng: Random, life: float) -> None:
        self.life = life
        self.up = True
        self.up_since = 0.0
        self.members: dict[str, Held] = {}
        self.gone_since: dict[str, float] = {}
        """When a member's entry vanished last."""
        self.maintenance: dict[str, bytes] = {}
        self.changed_at = 0.0
        """When a member came or went last."""
        self._sessions: dict[Session, None] = {}
        self._clock = clock
        self._rng = rng

    def open(self, session: Session) -> None:
        """Begin a session."""
        self._sessions[session] = None

    def close(self, session: Session) -> None:
        """End a session and remove its entries."""
        session.lives = False
        self._sessions.pop(session, None)
        if session.end:
            session.end.cancel()
        for name in [name for name, held in self.members.items() if held.session is session]:
            self.remove(name)

    def fell_silent(self, session: Session) -> None:
        """Hear no more of a session: it ends in a while."""
        if session.lives and not session.silent:
            session.silent = True
            self._let_end(session, self._rng.uniform(EARLIEST, LATEST))

    def heard(self, session: Session) -> None:
        """Hear of a session again."""
        session.silent = False
        if session.end:
            session.end.cancel()

    def put(self, name: str, value: bytes, session: Session | None) -> None:
        """Make or replace a member's entry."""
        self.members[name] = Held(value, session)
        self._changed(Kind.MEMBERS)

    def remove(self, name: str) -> None:
        """Remove a member's entry, whoever holds it."""
        if self.members.pop(name, None):
            self.gone_since[name] = self._clock.now
            self._changed(Kind.MEMBERS)

    def maintain(self, name: str, value: bytes | None) -> None:
        """Set a maintenance key, or erase it."""
        if value is None:
            self.maintenance.pop(name, None)
        else:
            self.maintenance[name] = value
        self._changed(Kind.MAINTENANCE)

    def go_down(self) -> None:
        """Stop to answer; no session ends meanwhile."""
        self.up = False

    def come_back(self, *, thawed: bool) -> None:
        """Answer again.

        Args:
            thawed: it was frozen, so that sessions have ended meanwhile; else their lives start anew.
        """
        self.up, self.up_since = True, self._clock.now
        for session in list(self._sessions):
            if session.silent:
                self._let_end(session, 0.0 if thawed else self._rng.uniform(1.0, LATEST))

    def _let_end(self, session: Session, lives: float) -> None:
        if session.end:
            session.end.cancel()
        session.end = self._clock.after(lives * self.life, lambda: self._end(session))

    def _end(self, session: Session) -> None:
        if self.up:
            self.close(session)

    def _changed(self, kind: Kind) -> None:
        if kind is Kind.MEMBERS:
            self.changed_at = self._clock.now
        for session in list(self._sessions):
            session.changed(kind)
