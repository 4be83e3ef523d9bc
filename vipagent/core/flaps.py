"""Damping of an owner that comes and goes (H4)."""

from collections import deque

from vipagent.core.settings import FlapHold
from vipagent.core.state import Deadlines
from vipagent.types import Reason

MAX_LOSSES = 64
"""Maximum number of losses that are counted."""
FLAPS = frozenset({Reason.CHECK_DOWN, Reason.NO_BGP, Reason.NO_ADDRESS, Reason.NO_FAMILY, Reason.REFUSED})
"""Reasons of a loss that is not planned."""


class FlapDamping:
    """Counts how often this node ceased to be able to serve, and decides when it may be the owner again."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=MAX_LOSSES)
        self._up_since: float | None = None

    def count_loss(self, reason: Reason, now: float) -> None:
        """Count the loss of a registration, or of the chance to get one while it was held."""
        if reason in FLAPS:
            self._losses.append(now)

    def held_until(self, hold: FlapHold, deadlines: Deadlines, *, up: bool, registered: bool) -> float | None:
        """Return until when the owned VIPs are announced at the lowest rank; None if they are not.

        Args:
            hold: the configured delay.
            deadlines: of this decision.
            up: whether this node could register.
            registered: whether it is registered, so that it is too late.
        """
        if not up:
            self._up_since = None
            return None
        if self._up_since is None:
            self._up_since = deadlines.now
        since = self._up_since
        losses = sum(at > since - hold.window for at in self._losses)
        if registered or not hold.seconds or losses < hold.count:
            return None
        until = since + hold.seconds
        return None if deadlines.reached(until) else until
