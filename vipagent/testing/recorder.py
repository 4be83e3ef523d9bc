"""A listener that keeps all that it was told, in order, for tests to wait on."""

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
    """A snapshot that was handed over."""

    directory: Directory
    entries: Snapshot
    at: float = field(default_factory=time.monotonic)
    """Monotonic seconds."""


class Recorder:
    """Implements `Listener` on any number of threads; tests read it from theirs."""

    def __init__(self) -> None:
        self._events: list[SessionSeen | SnapshotSeen] = []
        self._changed = threading.Condition()

    def session(self, state: StoreState, detail: str) -> None:
        """Note a change of state."""
        self._note(SessionSeen(state, detail))

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Note a snapshot, as it is now."""
        self._note(SnapshotSeen(directory, dict(entries)))

    def _note(self, event: SessionSeen | SnapshotSeen) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def mark(self) -> int:
        """Return the number of events so far: what `since` takes."""
        return len(self._events)

    def events(self, since: int = 0) -> list[SessionSeen | SnapshotSeen]:
        """Return the events after a mark."""
        return self._events[since:]

    def states(self, since: int = 0) -> list[StoreState]:
        """Return the session's states after a mark, in order."""
        return [event.state for event in self.events(since) if isinstance(event, SessionSeen)]

    @property
    def state(self) -> StoreState | None:
        """The session's present state; None as long as none was told."""
        states = self.states()
        return states[-1] if states else None

    def snapshots(self, directory: Directory, since: int = 0) -> list[Snapshot]:
        """Return a directory's snapshots after a mark, in order."""
        seen = (event for event in self.events(since) if isinstance(event, SnapshotSeen))
        return [event.entries for event in seen if event.directory == directory]

    def latest(self, directory: Directory) -> Snapshot | None:
        """Return a directory's last snapshot; None as long as there was none."""
        snapshots = self.snapshots(directory)
        return snapshots[-1] if snapshots else None

    def wait_for(self, predicate: Callable[[], T], within: float, what: str = "the condition") -> T:
        """Wait until `predicate`, asked at each event, returns something true, and return that.

        The seconds are those of a quiet machine (`vipagent.testing.slowness`).

        Raises:
            AssertionError: it did not within so many seconds; says what came last.
        """
        with self._changed:
            found = self._changed.wait_for(predicate, allowed(within))
            last = "\n  ".join(str(event)[:500] for event in self._events[-5:])
        assert found, f"not within {allowed(within)} s: {what}; the last events:\n  {last}"
        return found

    def wait_state(self, state: StoreState, within: float, since: int = 0) -> None:
        """Wait until the session is in `state`, and was told so after the mark."""
        self.wait_for(lambda: self.states(since)[-1:] == [state], within, f"the session is {state}")

    def wait_told(self, state: StoreState, within: float, since: int = 0) -> None:
        """Wait until the session was told to be in `state` after the mark, whatever came after that."""
        self.wait_for(lambda: state in self.states(since), within, f"the session was {state}")

    def wait_names(
        self, directory: Directory, names: Collection[str], within: float, since: int = 0
    ) -> Snapshot:
        """Wait until the last snapshot, handed over after the mark, has exactly these names; return it."""
        wanted = set(names)
        self.wait_for(
            lambda: any(set(last) == wanted for last in self.snapshots(directory, since)[-1:]),
            within,
            f"{directory.kind}/{directory.service} has exactly {sorted(wanted)}",
        )
        return self.snapshots(directory, since)[-1]

    @contextmanager
    def never_without(self, directory: Directory, name: str) -> Iterator[None]:
        """Assert that no snapshot which is handed over in this block lacks `name`."""
        mark = self.mark()
        yield
        lacking = [snapshot for snapshot in self.snapshots(directory, mark) if name not in snapshot]
        assert not lacking, f"{len(lacking)} snapshots of {directory} lack {name}: {lacking[:3]}"
