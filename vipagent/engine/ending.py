"""How an agent ends without a packet lost: the others announce first, then it withdraws (E3)."""

LEAVING = 0.5
"""Seconds that the others get to announce, once all is deregistered, before anything is withdrawn."""
WITHDRAWING = 0.3
"""Seconds that ExaBGP gets to take the withdrawals at the end: no longer, it may be stopping itself."""


class Ending:
    """How far the end has got: the agent leaves, then withdraws, then it is over.

    While it leaves it is deregistered, and announces at the lowest rank.
    """

    def __init__(self) -> None:
        self.begun = False
        """Whether the agent is about to end."""
        self.withdrawing = False
        """Whether everything is to be withdrawn, with no regard to what ExaBGP reads."""
        self.over = False
        """Whether there is nothing left to be done."""
        self.deadline: float | None = None
        """When the next phase begins, whatever happens."""

    def begin(self, now: float) -> bool:
        """Begin to end; return whether it had not begun yet."""
        if self.begun:
            return False
        self.begun, self.deadline = True, now + LEAVING
        return True

    def withdraws(self, now: float, *, exabgp_ends: bool) -> bool:
        """Return whether it is time now, and only now, to withdraw everything.

        Args:
            now: the monotonic clock, in seconds.
            exabgp_ends: whether all routes go with ExaBGP anyway: then the others need no time.
        """
        leaves = self.begun and not self.withdrawing and not self.over
        if not leaves or not (exabgp_ends or self._reached(now)):
            return False
        self.withdrawing, self.deadline = True, now + WITHDRAWING
        return True

    def ends(self, now: float, *, flushed: bool) -> bool:
        """Return whether it is time now, and only now, to end.

        Args:
            now: the monotonic clock, in seconds.
            flushed: whether ExaBGP has taken everything, or takes nothing any more.
        """
        if not self.withdrawing or not (flushed or self._reached(now)):
            return False
        self.withdrawing, self.over, self.deadline = False, True, None
        return True

    def _reached(self, now: float) -> bool:
        return self.deadline is not None and now >= self.deadline
