"""Limits the rate at which records are published: flapping must not load the store (Shape 4)."""

from collections.abc import Callable, Iterator

from vipagent.engine.effects import Effect, PublishRecord
from vipagent.store.layout import Key

PUBLISH_INTERVAL = 0.1
"""Minimum interval in seconds between two publications of a record."""
VIPS_PER_INTERVAL = 500
"""Number of VIPs for which this interval holds; that of a larger record is longer, because it costs more."""

Publish = Callable[[], Iterator[Effect]]
"""Builds and publishes the latest state of a record."""


class Publications:
    """At most one publication per key and interval: the first at once, then the latest state when it is due.

    A pending publication is evaluated only when it is due, so a skipped one costs nothing.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """The time of the monotonic clock, in seconds."""
        self._due_at: dict[Key, float] = {}
        """Earliest time of the next publication."""
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
        self._due_at.pop(key, None)

    @property
    def pending(self) -> bool:
        """Whether `due` has anything to do, now or later."""
        return bool(self._pending)

    def deadline(self) -> float | None:
        """Return when to call `due`; None if nothing is pending."""
        if not self._pending:
            return None
        return min(self._due_at.get(key, self.now) for key in self._pending)

    def _publish(self, key: Key) -> Iterator[Effect]:
        self._due_at[key] = self.now + PUBLISH_INTERVAL
        for effect in self._pending.pop(key)():
            if isinstance(effect, PublishRecord):
                share = len(effect.record.vips) / VIPS_PER_INTERVAL
                self._due_at[key] = self.now + PUBLISH_INTERVAL * max(1.0, share)
            yield effect

    def _is_due(self, key: Key) -> bool:
        return key not in self._due_at or self.now >= self._due_at[key]
