"""A listener that records all events in order, for tests to wait on."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from vipagent.store.backend import Snapshot
from vipagent.store.layout import Directory
from vipagent.testing.slowness import allowed
from vipagent.types import StoreState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """A change of the session's state."""

    state: StoreState
    detail: str
    at: float = field(default_factory=time.monotonic)
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class SnapshotSeen:
    """A delivered snapshot."""

    directory: Directory
    entries: Snapshot
    at: float = field(default_factory=time.monotonic)
    """Monotonic seconds."""


class Recorder:
    """A thread-safe `Listener` that records events."""

    def __init__(self) -> None:
        self._events: list[SessionSeen | SnapshotSeen] = []
        self._changed = threading.Condition()

    def session(self, state: StoreState, detail: str) -> None:
        """Record a change of state."""
        self._record(SessionSeen(state, detail))

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Record a copy of a snapshot."""
        self._record(SnapshotSeen(directory, dict(entries)))

    def _record(self, event: SessionSeen | SnapshotSeen) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def mark(self) -> int:
        """Return the number of events so far, for the arguments `since`."""
        return len(self._events)

    def events(self, since: int = 0) -> list[SessionSeen | SnapshotSeen]:
        """Return the events after a mark."""
        return self._events[since:]

    def states(self, since: int = 0) -> list[StoreState]:
        """Return the session's states after a mark, in order."""
        return [event.state for event in self.events(since) if isinstance(event, SessionSeen)]

    @property
    def state(self) -> StoreState | None:
        """The current state of the session; None before the first one."""
        states = self.states()
        return states[-1] if states else None

    def snapshots(self, directory: Directory, since: int = 0) -> list[Snapshot]:
        """Return a directory's snapshots after a mark, in order."""
        seen = (event for event in self.events(since) if isinstance(event, SnapshotSeen))
        return [event.entries for event in seen if event.directory == directory]

    def latest(self, directory: Directory) -> Snapshot | None:
        """Return a directory's last snapshot; None before the first one."""
        snapshots = self.snapshots(directory)
        return snapshots[-1] if snapshots else None

    def wait_for(self, predicate: Callable[[], T], within: float, what: str = "the condition") -> T:
        """Wait until `predicate`, evaluated at each event, returns a true value, and return it.

        The timeout applies to an idle machine (`vipagent.testing.slowness`).

        Raises:
            AssertionError: the timeout has expired; the message has the last events.
        """
        with self._changed:
            found = self._changed.wait_for(predicate, allowed(within))
            last = "\n  ".join(str(event)[:500] for event in self._events[-5:])
        assert found, f"not within {allowed(within)} s: {what}; the last events:\n  {last}"
        return found

    def wait_state(self, state: StoreState, within: float, since: int = 0) -> None:
        """Wait until the session is in `state`, reported after the mark."""
        self.wait_for(lambda: self.states(since)[-1:] == [state], within, f"the session is {state}")

    def wait_reported(self, state: StoreState, within: float, since: int = 0) -> None:
        """Wait until `state` was reported after the mark, even if other states followed."""
        self.wait_for(lambda: state in self.states(since), within, f"the session was {state}")

    def wait_names(
        self, directory: Directory, names: Collection[str], within: float, since: int = 0
    ) -> Snapshot:
        """Wait until the last snapshot after the mark has exactly these names; return it."""
        wanted = set(names)
        self.wait_for(
            lambda: any(set(last) == wanted for last in self.snapshots(directory, since)[-1:]),
            within,
            f"{directory.kind}/{directory.service} has exactly {sorted(wanted)}",
        )
        return self.snapshots(directory, since)[-1]

    @contextmanager
    def always_contains(self, directory: Directory, name: str) -> Iterator[None]:
        """Assert that all snapshots in this block contain `name`."""
        mark = self.mark()
        yield
        lacking = [snapshot for snapshot in self.snapshots(directory, mark) if name not in snapshot]
        assert not lacking, f"{len(lacking)} snapshots of {directory} without {name}: {lacking[:3]}"
