"""Whether earlier runs of this node can still be registered in the store (G3)."""

from vipagent.types import StoreState

SESSION_MARGIN = 10.0
"""Time in seconds by which a store may end a session late, in addition to a second session timeout."""


class EarlierRuns:
    """Follows the store session until the sessions of earlier runs must have expired.

    Time without a connection does not count: a store that is down ends no session.

    Args:
        session_timeout: in seconds.
    """

    def __init__(self, session_timeout: float) -> None:
        self.expired = False
        """Whether a registration of another run under this node's name is that of a duplicate agent."""
        self.deadline: float | None = None
        """When to call `check`; None: not connected, or expired."""
        self._longest = 2 * session_timeout + SESSION_MARGIN

    def session_changed(self, state: StoreState, now: float) -> None:
        """Start to wait at a connection, and stop when it is lost."""
        if not self.expired:
            self.deadline = now + self._longest if state is StoreState.CONNECTED else None

    def check(self, now: float) -> bool:
        """Return whether the sessions have expired since the last call."""
        if self.deadline is None or now < self.deadline:
            return False
        self.expired, self.deadline = True, None
        return True
