"""Log entries for BGP neighbours: one per change, and a summary of a neighbour that flaps (N1)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from vipagent.engine.effects import Log

MAX_CHANGES = 5
"""Maximum number of log entries per neighbour and window, and so of changes of a stable neighbour."""
WINDOW = 60.0
"""Length of a window, and interval of the summaries, in seconds."""
MAX_NEIGHBORS = 256
"""Maximum number of neighbours whose changes are counted; the one that changed longest ago is dropped."""


@dataclass(slots=True)
class _Changes:
    """Changes of one neighbour."""

    established: bool
    times: list[float] = field(default_factory=list)
    """Times of the last changes, at most `MAX_CHANGES`, oldest first; empty while flapping."""
    unreported: int = 0
    """Changes since the last summary."""


class NeighborLog:
    """Log entries for changes of BGP neighbours.

    A neighbour that changes more than `MAX_CHANGES` times within `WINDOW` is flapping: one entry per window
    sums up its changes, until a window has few enough of them.
    """

    def __init__(self) -> None:
        self._neighbors: dict[str, _Changes] = {}
        """By address; the one that changed longest ago first."""
        self._summary_at: dict[str, float] = {}
        """When to sum up each flapping neighbour; the earliest first: all windows have the same length."""

    @property
    def flapping(self) -> bool:
        """Whether any neighbour is flapping."""
        return bool(self._summary_at)

    def changed(self, neighbor: str, now: float, *, established: bool, **fields: object) -> Log | None:
        """Count a change; return its log entry, with more fields, or None if a summary will include it."""
        changes = self._neighbors.pop(neighbor, None) or _Changes(established)
        self._neighbors[neighbor] = changes
        changes.established = established
        if neighbor in self._summary_at:
            changes.unreported += 1
            return None
        self._limit()
        changes.times = [at for at in changes.times if now - at < WINDOW]
        if len(changes.times) < MAX_CHANGES:
            changes.times.append(now)
            return Log.info("bgp", neighbor=neighbor, established=established, **fields)
        self._summary_at[neighbor] = now + WINDOW
        entry = _flapping(neighbor, changes, len(changes.times) + 1)
        changes.times.clear()
        return entry

    def due(self, now: float) -> Iterator[Log]:
        """Return the summaries of the windows that have ended."""
        for neighbor in [neighbor for neighbor, at in self._summary_at.items() if now >= at]:
            del self._summary_at[neighbor]
            changes = self._neighbors[neighbor]
            count, changes.unreported = changes.unreported, 0
            if count > MAX_CHANGES:
                self._summary_at[neighbor] = now + WINDOW
                yield _flapping(neighbor, changes, count)
            else:
                yield Log.info(
                    "BGP neighbour is stable again",
                    neighbor=neighbor,
                    changes=count,
                    established=changes.established,
                )

    def deadline(self) -> float | None:
        """Return when to call `due`; None if no neighbour is flapping."""
        return next(iter(self._summary_at.values()), None)

    def _limit(self) -> None:
        if len(self._neighbors) > MAX_NEIGHBORS:
            oldest = next(iter(self._neighbors))
            del self._neighbors[oldest]
            self._summary_at.pop(oldest, None)


def _flapping(neighbor: str, changes: _Changes, count: int) -> Log:
    return Log.warning(
        "BGP neighbour is flapping", neighbor=neighbor, changes=count, established=changes.established
    )
