"""Impairments that prevent a machine from serving, as known to the simulator, not to the core."""

from enum import StrEnum


class Impairment(StrEnum):
    """One reason why a machine cannot serve."""

    POWER = "no power"
    EXABGP = "no ExaBGP"
    BGP = "no BGP session"
    GATE = "too few BGP sessions"
    EXABGP_PAUSED = "ExaBGP is paused"
    EXABGP_SILENT = "ExaBGP does not answer"
    REFUSED = "ExaBGP rejects a route"
    AGENT = "no agent"
    AGENT_PAUSED = "the agent is paused"
    CHECK = "the service fails"
    NODE_MAINTENANCE = "maintenance of the node"
    SERVICE_MAINTENANCE = "maintenance of the service"
    STORE = "the store is unreachable or not read yet"
    LATE = "the store's notifications are late"


REQUIRED_FOR_TAKEOVER_ONLY = frozenset({Impairment.STORE, Impairment.LATE})
"""A node serves its own VIPs without the store (A1)."""
UNDETECTED = frozenset(
    {Impairment.BGP, Impairment.EXABGP_PAUSED, Impairment.EXABGP_SILENT, Impairment.REFUSED}
)
"""Impairments that the agent does not detect without the BGP gate, so that it stays registered."""


class Impairments:
    """The impairments of one machine.

    Args:
        now: the start time.
        reasons: the initial impairments.
    """

    def __init__(self, now: float, *reasons: Impairment) -> None:
        self.reasons = set(reasons)
        self.changed_at = now
        self.able_since: float | None = None
        """Since when the machine can serve any VIP; None: it cannot."""
        self.able_without_store_since: float | None = None
        """Since when the machine can serve its own VIPs; None: it cannot."""

    def add(self, reason: Impairment, now: float) -> None:
        """Add an impairment."""
        if reason not in self.reasons:
            self.reasons.add(reason)
            self._update(now)

    def clear(self, reason: Impairment, now: float) -> None:
        """Remove an impairment."""
        if reason in self.reasons:
            self.reasons.remove(reason)
            self._update(now)

    def _update(self, now: float) -> None:
        self.changed_at = now
        if self.reasons:
            self.able_since = None
        elif self.able_since is None:
            self.able_since = now
        if not self.reasons <= REQUIRED_FOR_TAKEOVER_ONLY:
            self.able_without_store_since = None
        elif self.able_without_store_since is None:
            self.able_without_store_since = now
