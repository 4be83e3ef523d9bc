"""Limits the rate at which records are published: flapping must not load the store (Shape 4)."""

from collections.abc import Callable, Iterator

from vipagent.engine.effects import Effect
from vipagent.store.layout import Key

PUBLISH_INTERVAL = 0.1
"""Minimum interval in seconds between two publications of a record."""

Publish = Callable[[], Iterator[Effect]]
"""Builds and publishes the latest state of a record."""


class Publications:
    """At most one publication per key and interval: the first at once, then the latest state when it is due.

    A pending publication is evaluated only when it is due, so a skipped one costs nothing.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """The time of the monotonic clock, in seconds."""
        self._published: dict[Key, float] = {}
        """Time of the last publication."""
        self._pending: dict[Key, Publish] = {}

    def advance(self, now: float) -> None:
        """Set the time of the monotonic clock, in seconds."""
        self.now = now

    def request(self, key: Key, publish: Publish) -> Iterator[Effect]:
        """Publish now, or when the interval has passed; replaces a pending publication of this key."""
        self._pending[key] = publish
        if self._is_due(key):
            yield from self._publish(key)

    def mark(self, key: Key, publish: Publish) -> None:
        """Publish when `due` is called and the interval has passed, unless a request comes first."""
        self._pending.setdefault(key, publish)

    def due(self) -> Iterator[Effect]:
        """Publish the pending records whose interval has passed."""
        for key in [key for key in self._pending if self._is_due(key)]:
            yield from self._publish(key)

    def forget(self, key: Key) -> None:
        """Drop a key with its pending publication: its record is being deleted."""
        self._pending.pop(key, None)
        self._published.pop(key, None)

    def deadline(self) -> float | None:
        """Return when to call `due`; None if nothing is pending."""
        return min((self._due_at(key) for key in self._pending), default=None)

    def _publish(self, key: Key) -> Iterator[Effect]:
        self._published[key] = self.now
        yield from self._pending.pop(key)()

    def _is_due(self, key: Key) -> bool:
        return self.now >= self._due_at(key)

    def _due_at(self, key: Key) -> float:
        return self._published.get(key, -PUBLISH_INTERVAL) + PUBLISH_INTERVAL
