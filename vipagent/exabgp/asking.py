"""When to ask ExaBGP who is established, and what waits for the answer (E1, E5, N2).

The first thing said, and said again when a reply is missing, is a question that everything waits for. The
same question is asked every few seconds besides, one at a time, and nobody waits for those.
"""

from dataclasses import dataclass

ASK_EVERY = 2.0
"""Seconds from an answer to the next question, and from a hung ExaBGP's first sign of life to one."""
ASK_AGAIN = 60.0
"""Seconds after which an ExaBGP that is stopped, or has lost the question, is asked once more."""
SILENCE = 5.0
"""Seconds without any answer ever after which replies count as turned off (`exabgp.api.ack`)."""
SILENT_DELAY = 0.2
"""Seconds after which a command counts as carried out where no replies come: longer than a flush."""


@dataclass(slots=True)
class _Question:
    """Who is established? Asked at `at`, and answered, but for its reply, at `answered`."""

    at: float
    earlier: int = 0
    """Answers to earlier questions that come before its own."""
    answered: float | None = None


@dataclass(slots=True)
class Asking:
    """The question that everything waits for, and those that nobody waits for."""

    every: float = ASK_EVERY
    """Seconds from an answer to the next question."""
    first: bool = True
    """Whether the question that everything waits for is to be written next."""
    due: bool = False
    """Whether one that nobody waits for is to be written next."""
    at: float | None = None
    """When the next one is due; None: never, because none was ever answered, or `due` already."""
    answers: bool = False
    """Whether a question was ever answered."""
    _open: int = 0
    """How many that nobody waits for are written and not answered."""
    _again: bool = False
    """Whether the last one was not answered yet."""
    _question: _Question | None = None
    """The one that everything waits for, once it is written."""
    _ends_answer: bool = False
    """Whether the next reply ends the answer to a question that nobody waits for."""

    @property
    def awaited(self) -> bool:
        """Whether a question is written that everything waits for."""
        return self._question is not None

    def answered(self, now: float) -> None:
        """Record that an answer begins: where replies are on, its own comes at once."""
        self.answers = True
        self._open, self._again = max(0, self._open - 1), False
        if not self.due:
            self._by(now + self.every)
        question = self._question
        if question and question.answered is None and not question.earlier:
            question.answered = now
            return
        if question and question.earlier:
            question.earlier -= 1
        self._ends_answer = True

    def takes_reply(self, *, first: bool) -> bool:
        """Return whether a reply belongs to a question, or is older than the one that everything waits for.

        Args:
            first: whether it is the first reply ever.
        """
        if self._ends_answer:
            self._ends_answer = False
            return True
        if self._question is None:
            return False
        if first or self._question.answered is not None:
            self._question = None
        return True

    def patience_ends(self) -> float | None:
        """Return when nothing waits any longer for the question that everything waits for."""
        if self._question is None:
            return None
        if self._question.answered is not None:
            return self._question.answered + SILENT_DELAY
        return self._question.at + (ASK_AGAIN if self.answers else SILENCE)

    def give_up(self) -> bool:
        """Wait no longer; return whether replies count as turned off, else it is asked again."""
        answered = self._question is not None and self._question.answered is not None
        self._question = None
        self.first = self.answers and not answered
        return not self.first

    def doubt(self, now: float) -> None:
        """Ask soon, because the answer to an open question may never come."""
        if self.at is not None:
            self._by(now + self.every)

    def wake(self, now: float) -> None:
        """Let what is due by now be written next."""
        if self.at is not None and now >= self.at:
            self.at, self.due = None, True

    def asked_first(self, now: float) -> None:
        """Record that the question that everything waits for is written."""
        self.first, self._question = False, _Question(now, earlier=self._open)

    def asked(self, now: float) -> None:
        """Record that a question is written: if answers came since the last one, what is open is lost."""
        self._open = self._open + 1 if self._again else 1
        self.due, self._again, self.at = False, True, now + ASK_AGAIN

    def _by(self, at: float) -> None:
        self.at = at if self.at is None else min(at, self.at)
