"""What the session is, by our own clock (L rules); the only part that speaks to the listener.

CONNECTED needs a sign of life that Consul has confirmed within the session's life, and nobody's doubt: not
the session's own (no answer), nor that of a directory's watch (unreadable) or of the registrations (denied).
"""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from vipagent.core.words import StoreState
from vipagent.store.backend import Listener, Snapshot
from vipagent.store.layout import Directory
from vipagent_consul.client import Link

SESSION = "session"
"""Who doubts when the session's own calls fail."""
MAX_CAUSES = 16
"""Different causes that are told within one outage."""


@dataclass(frozen=True, slots=True)
class View:
    """A time in which what is read may be handed over: from one CONNECTED until it is over."""

    generation: int
    link: Link


class SessionState:
    """Judges the session; wakes and gates those who watch; tells LOST in time whatever hangs."""

    def __init__(self, listener: Listener, life: float, left: Callable[[], None]) -> None:
        """Begin with no session.

        Args:
            listener: who is told.
            life: seconds from a confirmed sign of life until the session counts as lost.
            left: called, with the lock held, when CONNECTED is over.
        """
        self._listener = listener
        self._life = life
        self._left = left
        self.lock = threading.RLock()  # taken again by a listener that calls its backend
        """Held while the listener is told: what is decided under it can't be overtaken."""
        self._changed = threading.Condition(self.lock)
        self._expiry = float("-inf")
        self._doubts: dict[Hashable, str] = {}
        self._told: StoreState | None = None
        self._causes: set[str] = set()
        self._generation = 0
        self._link: Link | None = None
        self._detail = ""
        self._closed = False
        self._clock = threading.Thread(target=self._tell_in_time, name="vipagent-consul-clock", daemon=True)

    def start(self) -> None:
        """Start the clock."""
        self._clock.start()

    def close(self) -> None:
        """Hand over nothing more; end the clock."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._clock.is_alive():
            self._clock.join()  # it waits for nothing but this lock

    def confirm(self, at: float, link: Link, detail: str) -> None:
        """Note that Consul has confirmed the session to us.

        Args:
            at: monotonic seconds when it was asked to.
            link: through which it did.
            detail: for people.
        """
        with self._changed:
            self._expiry = at + self._life
            self._link, self._detail = link, detail
            self._doubts.pop(SESSION, None)
            self._review()

    def doubt(self, who: Hashable, cause: str) -> None:
        """Note a trouble of `who`, until `settle`."""
        with self._changed:
            if who == SESSION:
                self._doubts.clear()  # whoever else had some will look again when this one is over
            elif SESSION in self._doubts:
                return
            self._doubts[who] = cause
            self._review()

    def settle(self, who: Hashable) -> None:
        """Note that the trouble of `who` is over."""
        with self._changed:
            if self._doubts.pop(who, None) is not None:
                self._review()

    def end(self, cause: str) -> None:
        """Note that the session has ended for certain."""
        with self._changed:
            self._expiry = float("-inf")
            self.doubt(SESSION, cause)

    def wait_view(self, who: Hashable, abandoned: Callable[[], bool]) -> View | None:
        """Wait until `who` may read (it may, too, to find out whether its own doubt is over).

        Returns:
            None when `abandoned()` or closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or abandoned() or self._readable(who))
            if self._closed or abandoned() or self._link is None:
                return None
            return View(self._generation, self._link)

    def current(self, view: View) -> bool:
        """Whether what is read now may be handed over."""
        with self._changed:
            return (
                not self._closed
                and self._told == StoreState.CONNECTED
                and self._generation == view.generation
            )

    def pause(self, view: View, seconds: float, abandoned: Callable[[], bool]) -> None:
        """Wait, but no longer than until there is another view, or no need for one."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or abandoned() or self._generation != view.generation, seconds
            )

    def wake(self) -> None:
        """Let those who wait look whether they are still needed."""
        with self._changed:
            self._changed.notify_all()

    def deliver(self, directory: Directory, entries: Snapshot) -> None:
        """Hand over what was read in a view that is `current`; the caller holds the lock."""
        self._listener.snapshot(directory, entries)

    def _readable(self, who: Hashable) -> bool:
        if self._told == StoreState.CONNECTED:
            return True
        return who in self._doubts and SESSION not in self._doubts and time.monotonic() < self._expiry

    def _review(self) -> None:
        """Tell the listener what follows from expiry and doubts, if it is news."""
        if self._closed:
            return
        before, now = self._told, self._judge()
        if now == StoreState.CONNECTED:
            if before != StoreState.CONNECTED:
                self._causes.clear()
                self._generation += 1
                self._tell(now, self._detail)
            return
        if before == StoreState.CONNECTED:
            self._left()
        cause = "; ".join(self._doubts.values()) or f"no sign of life for {self._life:g} s"
        if now != before or (cause not in self._causes and len(self._causes) < MAX_CAUSES):
            self._causes.add(cause)  # hosts that are tried in turn repeat theirs: each is told once an outage
            self._tell(now, cause)

    def _judge(self) -> StoreState:
        if time.monotonic() >= self._expiry:
            return StoreState.LOST
        return StoreState.UNSURE if self._doubts else StoreState.CONNECTED

    def _tell(self, state: StoreState, detail: str) -> None:
        self._told = state
        self._listener.session(state, detail)
        self._changed.notify_all()

    def _tell_in_time(self) -> None:
        with self._changed:
            while not self._closed:
                left = self._expiry - time.monotonic()
                if left <= 0 and self._told not in {None, StoreState.LOST}:
                    self._review()
                self._changed.wait(left if left > 0 else None)
