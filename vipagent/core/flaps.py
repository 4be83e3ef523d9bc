"""Damping of an owner that comes and goes (H4)."""

from collections import deque

from vipagent.core.settings import FlapHold
from vipagent.core.state import Deadlines
from vipagent.types import Reason

MAX_LOSSES = 64
"""Maximum number of losses of a VIP that are counted."""
FLAPS = frozenset({Reason.CHECK_DOWN, Reason.NO_BGP, Reason.NO_ADDRESS, Reason.NO_FAMILY, Reason.REFUSED})
"""Reasons of a loss that is not planned."""


class FlapDamping:
    """Counts how often each owned VIP was lost, and decides when this node may be the owner again.

    One cause can lose several VIPs one after the other, for example while ExaBGP does not answer: that is one
    loss of each, so the VIP that was lost most often decides.
    """

    def __init__(self) -> None:
        self._losses: dict[str, deque[float]] = {}
        """The times of the losses, by VIP."""
        self._up_since: float | None = None

    def count_loss(self, vip: str, reason: Reason, now: float) -> None:
        """Count the loss of a registration, or of the chance to get one while it was held."""
        if reason in FLAPS:
            self._losses.setdefault(vip, deque(maxlen=MAX_LOSSES)).append(now)

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
        if registered or not hold.seconds:
            return None
        losses = (sum(at > since - hold.window for at in times) for times in self._losses.values())
        if max(losses, default=0) < hold.count:
            return None
        until = since + hold.seconds
        return None if deadlines.reached(until) else until
