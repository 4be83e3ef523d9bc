"""Shutdown of the agent without packet loss: the other nodes announce before this one withdraws (E3)."""

LEAVE_DELAY = 0.5
"""Seconds between the deregistration and the withdrawals, in which the other nodes announce."""
WITHDRAW_TIMEOUT = 0.3
"""Seconds to wait for ExaBGP to process the withdrawals."""


class ShutdownSequence:
    """Phases of a shutdown: leaving, withdrawing, finished.

    While leaving, the node is deregistered and announces at the lowest rank.
    """

    def __init__(self) -> None:
        self.started = False
        """Whether the shutdown has started."""
        self.withdrawing = False
        """Whether everything is being withdrawn, even if ExaBGP does not read."""
        self.finished = False
        """Whether the shutdown is complete."""
        self.deadline: float | None = None
        """Latest start of the next phase."""

    def start(self, now: float) -> bool:
        """Start the shutdown; return False if it has already started."""
        if self.started:
            return False
        self.started, self.deadline = True, now + LEAVE_DELAY
        return True

    def enter_withdrawing(self, now: float, *, exabgp_stopping: bool) -> bool:
        """Enter the phase `withdrawing` if it is due; return whether it was entered.

        Args:
            now: the monotonic clock, in seconds.
            exabgp_stopping: whether ExaBGP withdraws all routes anyway, so that waiting is useless.
        """
        leaving = self.started and not self.withdrawing and not self.finished
        if not leaving or not (exabgp_stopping or self._expired(now)):
            return False
        self.withdrawing, self.deadline = True, now + WITHDRAW_TIMEOUT
        return True

    def finish(self, now: float, *, flushed: bool) -> bool:
        """Finish the shutdown if it is due; return whether it was finished.

        Args:
            now: the monotonic clock, in seconds.
            flushed: whether ExaBGP has processed every command, or has ended.
        """
        if not self.withdrawing or not (flushed or self._expired(now)):
            return False
        self.withdrawing, self.finished, self.deadline = False, True, None
        return True

    def _expired(self, now: float) -> bool:
        return self.deadline is not None and now >= self.deadline
