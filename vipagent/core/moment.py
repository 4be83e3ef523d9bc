"""One reading of the clock, which notes the next time that matters."""


def earliest(*times: float | None) -> float | None:
    """Return the earliest of these times; None is never. Quick: every event asks for it."""
    first = None
    for at in times:
        if at is not None and (first is None or at < first):
            first = at
    return first


class Moment:
    """Answers "has this time come?" and remembers the earliest that has not."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.next: float | None = None

    def reached(self, at: float) -> bool:
        """Say whether `at` has come; if not, whoever asked wants to be asked again then."""
        if self.now >= at:
            return True
        self.next = at if self.next is None else min(self.next, at)
        return False
