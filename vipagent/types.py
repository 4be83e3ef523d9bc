"""Enums, reason words and neighbours, as used in logs, metrics, status and tests (Shape 5, 6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class StoreState(StrEnum):
    """State of the store session (Shape 6)."""

    CONNECTED = "connected"
    UNSURE = "unsure"
    """Disconnected, but the session may not have expired yet."""
    LOST = "lost"
    """The session has expired, or none was ever established."""


class CheckState(StrEnum):
    """State of the local check, after `rise` and `fall` (H4, C1)."""

    STARTING = "starting"
    """Fewer than `rise` good and `fall` bad results since the start."""
    UP = "up"
    DOWN = "down"
    DISABLED = "disabled"


class CheckResult(StrEnum):
    """Result of one run of the local check."""

    GOOD = "good"
    BAD = "bad"
    DISABLED = "disabled"
    """The `disable` file exists."""


class Takeover(StrEnum):
    """Policy for taking over an orphan (A2)."""

    ALL = "all"
    ONE = "one"
    RANKED = "ranked"


class Standby(StrEnum):
    """Whether takers also announce VIPs whose owner is alive (A4)."""

    COLD = "cold"
    HOT = "hot"


class OnStoreLoss(StrEnum):
    """Routes to keep when the store session is lost (L1)."""

    KEEP = "keep"
    OWN = "own"
    WITHDRAW = "withdraw"


class Claim(StrEnum):
    """Holder of a registration in the store, as determined by the backend (G3)."""

    OURS = "ours"
    """This run of the agent."""
    EARLIER_RUN = "earlier-run"
    """An earlier run of this agent, by its own record: a stale registration."""
    SAME_NODE = "same-node"
    """Another run under the name of this node: a stale registration, or a duplicate agent."""
    OTHER = "other"


class SessionState(StrEnum):
    """State of the BGP session with a neighbour, as far as this node knows (N1)."""

    ESTABLISHED = "established"
    DOWN = "down"
    NO_CARRIER = "no-carrier"
    """The interface towards it is down or has no carrier (N3)."""
    HUNG = "hung"
    """ExaBGP does not answer, so its sessions count as down (N2)."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A BGP neighbour of this node; None and empty are unknown, as before a session is established."""

    address: str
    state: str = SessionState.UNKNOWN
    """A `SessionState`, or a word of another version of the agent."""
    local_as: int | None = None
    peer_as: int | None = None
    families: tuple[str, ...] = ()
    """Families that both sides have negotiated: `ipv4 unicast`, ..."""
    hold_time: int | None = None
    """Negotiated hold time in seconds."""
    interface: str = ""
    """Interface by which the kernel reaches it."""


class Reason(StrEnum):
    """Reason why a VIP is, or is not, announced by this node (Shape 5).

    `RULE_BY_REASON` maps each reason to its rule, `SEVERITY_BY_REASON` to its severity.
    """

    OWNER = "owner"
    TAKEOVER = "takeover"
    RELEASING = "releasing"
    """The owner is back; still announced for `release_delay` (H1)."""
    HOT_STANDBY = "hot-standby"
    DRAINING = "draining"
    STANDBY = "standby"
    SETTLING = "settling"
    STARTING = "starting"
    CONFLICT = "conflict"
    CHECK_DOWN = "check-down"
    DISABLED = "disabled"
    NO_ADDRESS = "no-address"
    """The VIP is an address of no interface of this node, so its packets would be lost."""
    MAINTENANCE_SERVICE = "maintenance-service"
    MAINTENANCE_NODE = "maintenance-node"
    NO_BGP = "no-bgp"
    BGP_UNKNOWN = "bgp-unknown"
    """ExaBGP has reported no neighbours, so it is unknown whether any is established."""
    NO_FAMILY = "no-family"
    """No established neighbour has negotiated the VIP's address family."""
    FLAP_HOLD = "flap-hold"
    """The service has flapped; announced at the lowest rank until it has been up for longer."""
    REFUSED = "refused"
    """ExaBGP has rejected the route."""
    STORE_LOST = "store-lost"
    STORE_UNKNOWN = "store-unknown"
    """The store has not been reached yet, so the other members are unknown."""
    REMOVED = "removed"
    """No longer in the configuration."""
    STOPPING = "stopping"


class Severity(StrEnum):
    """Severity of a reason; the status page and the dashboard color it accordingly."""

    OK = "ok"
    """Normal operation."""
    NOTICE = "notice"
    """Planned by an operator, or temporary."""
    FAULT = "fault"
    """A failure; an alert reports it."""


RULE_BY_REASON: Mapping[Reason, str] = {
    Reason.OWNER: "A1",
    Reason.TAKEOVER: "A2",
    Reason.RELEASING: "H1",
    Reason.HOT_STANDBY: "A4",
    Reason.DRAINING: "H2",
    Reason.STANDBY: "A2",
    Reason.SETTLING: "L3",
    Reason.STARTING: "H4",
    Reason.CONFLICT: "G3",
    Reason.CHECK_DOWN: "H3",
    Reason.DISABLED: "A1",
    Reason.NO_ADDRESS: "A1",
    Reason.MAINTENANCE_SERVICE: "H5",
    Reason.MAINTENANCE_NODE: "H2",
    Reason.NO_BGP: "E5",
    Reason.BGP_UNKNOWN: "E5",
    Reason.NO_FAMILY: "N10",
    Reason.FLAP_HOLD: "H4",
    Reason.REFUSED: "N10",
    Reason.STORE_LOST: "L1",
    Reason.STORE_UNKNOWN: "L2",
    Reason.REMOVED: "E3",
    Reason.STOPPING: "E3",
}
"""The rule of the contract that applies to each reason."""


SEVERITY_BY_REASON: Mapping[Reason, Severity] = {
    Reason.OWNER: Severity.OK,
    Reason.TAKEOVER: Severity.NOTICE,
    Reason.RELEASING: Severity.NOTICE,
    Reason.HOT_STANDBY: Severity.OK,
    Reason.DRAINING: Severity.NOTICE,
    Reason.STANDBY: Severity.OK,
    Reason.SETTLING: Severity.NOTICE,
    Reason.STARTING: Severity.NOTICE,
    Reason.CONFLICT: Severity.FAULT,
    Reason.CHECK_DOWN: Severity.FAULT,
    Reason.DISABLED: Severity.NOTICE,
    Reason.NO_ADDRESS: Severity.FAULT,
    Reason.MAINTENANCE_SERVICE: Severity.NOTICE,
    Reason.MAINTENANCE_NODE: Severity.NOTICE,
    Reason.NO_BGP: Severity.FAULT,
    Reason.BGP_UNKNOWN: Severity.FAULT,
    Reason.NO_FAMILY: Severity.FAULT,
    Reason.FLAP_HOLD: Severity.NOTICE,
    Reason.REFUSED: Severity.FAULT,
    Reason.STORE_LOST: Severity.FAULT,
    Reason.STORE_UNKNOWN: Severity.FAULT,
    Reason.REMOVED: Severity.NOTICE,
    Reason.STOPPING: Severity.NOTICE,
}
