"""When to ask ExaBGP again who is established: every few seconds, and again if an answer is lost (E5, N2)."""

from dataclasses import dataclass

ASK_EVERY = 2.0
"""Seconds from an answer to the next question, and from a hung ExaBGP's first sign of life to one."""
ASK_AGAIN = 60.0
"""Seconds after which an ExaBGP that is stopped, or has lost the question, is asked once more."""


@dataclass(slots=True)
class Asking:
    """The questions that nobody waits for."""

    every: float = ASK_EVERY
    """Seconds from an answer to the next question."""
    due: bool = False
    """Whether one is to be written next."""
    open: int = 0
    """How many are written and not answered."""
    at: float | None = None
    """When the next one is due; None: never, because none was ever answered, or `due` already."""
    _again: bool = False
    """Whether the last one was not answered yet."""

    def answered(self, now: float) -> None:
        """Note that an answer begins."""
        self.open, self._again = max(0, self.open - 1), False
        if not self.due:
            self._by(now + self.every)

    def doubt(self, now: float) -> None:
        """Ask soon, because the answer to an open question may never come."""
        if self.at is not None:
            self._by(now + self.every)

    def wake(self, now: float) -> None:
        """Note that time has passed."""
        if self.at is not None and now >= self.at:
            self.at, self.due = None, True

    def asked(self, now: float) -> None:
        """Note that the question is written: if answers came since the last one, what is open is lost."""
        self.open = self.open + 1 if self._again else 1
        self.due, self._again, self.at = False, True, now + ASK_AGAIN

    def _by(self, at: float) -> None:
        self.at = at if self.at is None else min(at, self.at)
