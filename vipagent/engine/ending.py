"""How an agent ends without a packet lost: the others announce first, then it withdraws (E3)."""

from enum import Enum, auto

LEAVING = 0.5
"""Seconds that the others get to announce, once all is deregistered, before anything is withdrawn."""
WITHDRAWING = 0.3
"""Seconds that ExaBGP gets to take the withdrawals at the end: no longer, it may be stopping itself."""


class _Phase(Enum):
    SERVING = auto()
    LEAVING = auto()
    """Deregistered, and announced at the lowest rank."""
    WITHDRAWING = auto()
    OVER = auto()


class Ending:
    """How far the end has got."""

    def __init__(self) -> None:
        self._phase = _Phase.SERVING
        self.deadline: float | None = None
        """When the next phase begins, whatever happens."""

    @property
    def begun(self) -> bool:
        """Whether the agent is about to end."""
        return self._phase is not _Phase.SERVING

    @property
    def withdrawing(self) -> bool:
        """Whether everything is to be withdrawn, with no regard to what ExaBGP reads."""
        return self._phase is _Phase.WITHDRAWING

    @property
    def over(self) -> bool:
        """Whether there is nothing left to be done."""
        return self._phase is _Phase.OVER

    def begin(self, now: float) -> bool:
        """Begin to end; return whether it had not begun yet."""
        if self.begun:
            return False
        self._phase, self.deadline = _Phase.LEAVING, now + LEAVING
        return True

    def withdraws(self, now: float, *, exabgp_ends: bool) -> bool:
        """Return whether it is time now, and only now, to withdraw everything.

        Args:
            now: the monotonic clock, in seconds.
            exabgp_ends: whether all routes go with ExaBGP anyway: then the others need no time.
        """
        if self._phase is not _Phase.LEAVING or not (exabgp_ends or self._reached(now)):
            return False
        self._phase, self.deadline = _Phase.WITHDRAWING, now + WITHDRAWING
        return True

    def ends(self, now: float, *, flushed: bool) -> bool:
        """Return whether it is time now, and only now, to end.

        Args:
            now: the monotonic clock, in seconds.
            flushed: whether ExaBGP has taken everything, or takes nothing any more.
        """
        if self._phase is not _Phase.WITHDRAWING or not (flushed or self._reached(now)):
            return False
        self._phase, self.deadline = _Phase.OVER, None
        return True

    def _reached(self, now: float) -> bool:
        return self.deadline is not None and now >= self.deadline
