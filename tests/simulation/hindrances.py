"""What keeps a machine from serving: the simulator's own truth; the core knows only what it is told."""

from enum import StrEnum


class Hindrance(StrEnum):
    """One thing that keeps a machine from serving."""

    POWER = "no power"
    EXABGP = "no ExaBGP"
    BGP = "no BGP session"
    STALLED = "ExaBGP is stopped"
    REFUSED = "ExaBGP refuses a route"
    AGENT = "no agent"
    PAUSED = "the agent is stopped"
    CHECK = "the service fails"
    NODE_MAINTENANCE = "maintenance of the node"
    SERVICE_MAINTENANCE = "maintenance of the service"
    STORE = "the store is out of reach, or unread"
    LATE = "the store's notifications are late"


NEEDED_FOR_ORPHANS_ONLY = frozenset({Hindrance.STORE, Hindrance.LATE})
"""A node's own VIP needs no store (A1)."""
UNNOTICED = frozenset({Hindrance.BGP, Hindrance.STALLED, Hindrance.REFUSED})
"""With one of these, and without the BGP gate, an agent is registered and believes to serve."""


class Hindrances:
    """All that keeps one machine from serving, and since when nothing does.

    Args:
        now: the time of the beginning.
        reasons: what is in the way from the beginning.
    """

    def __init__(self, now: float, *reasons: Hindrance) -> None:
        self.reasons = set(reasons)
        self.changed_at = now
        self.able_since: float | None = None
        """Since when it could serve any VIP; None: it can't."""
        self.self_reliant_since: float | None = None
        """Since when it could serve its own VIPs; None: it can't."""

    def add(self, reason: Hindrance, now: float) -> None:
        """Note that something is in the way from now on."""
        if reason not in self.reasons:
            self.reasons.add(reason)
            self._judge(now)

    def clear(self, reason: Hindrance, now: float) -> None:
        """Note that something is no longer in the way."""
        if reason in self.reasons:
            self.reasons.remove(reason)
            self._judge(now)

    def _judge(self, now: float) -> None:
        self.changed_at = now
        if self.reasons:
            self.able_since = None
        elif self.able_since is None:
            self.able_since = now
        if not self.reasons <= NEEDED_FOR_ORPHANS_ONLY:
            self.self_reliant_since = None
        elif self.self_reliant_since is None:
            self.self_reliant_since = now
