"""From results of the local check to a verdict: `rise` and `fall`, as in ExaBGP's healthcheck (H4, C1)."""

from vipagent.types import CheckResult, CheckState


class Health:
    """The state of the local check.

    Args:
        rise: so many good results in a row make it UP (1 or more).
        fall: so many bad ones make it DOWN (1 or more).
    """

    def __init__(self, rise: int, fall: int) -> None:
        self.rise = rise
        self.fall = fall
        self.state = CheckState.STARTING
        self._result = CheckResult.GOOD
        self._streak = 0

    @property
    def changing(self) -> bool:
        """Whether a change is about to occur, so that the next check should come after `fast_interval`."""
        settled = {CheckState.UP: CheckResult.GOOD, CheckState.DOWN: CheckResult.BAD}
        if self.state is CheckState.DISABLED:
            return False
        return settled.get(self.state) is not self._result

    def count(self, result: CheckResult) -> bool:
        """Take one result; return whether it changed the state."""
        self._streak = self._streak + 1 if result is self._result else 1
        self._result = result
        before = self.state
        if result is CheckResult.DISABLED:
            self.state = CheckState.DISABLED
        elif result is CheckResult.GOOD and self._streak >= self.rise:
            self.state = CheckState.UP
        elif result is CheckResult.BAD and self._streak >= self.fall:
            self.state = CheckState.DOWN
        elif before is CheckState.DISABLED:
            self.state = CheckState.STARTING
        return self.state is not before
