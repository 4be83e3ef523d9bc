"""The contract's words as enums: one spelling for logs, metrics, status and tests (Shape 5, 6)."""

from collections.abc import Mapping
from enum import StrEnum


class StoreState(StrEnum):
    """The state of the session with the store (Shape 6)."""

    CONNECTED = "connected"
    UNSURE = "unsure"
    """The connection is gone, the session may still live."""
    LOST = "lost"
    """The session is over, or there never was one."""


class CheckState(StrEnum):
    """The verdict of the local check, after `rise` and `fall` (H4, C1)."""

    STARTING = "starting"
    """Neither `rise` good nor `fall` bad results since the start."""
    UP = "up"
    DOWN = "down"
    DISABLED = "disabled"


class CheckResult(StrEnum):
    """The outcome of one run of the local check."""

    GOOD = "good"
    BAD = "bad"
    DISABLED = "disabled"
    """The `disable` file exists."""


class Takeover(StrEnum):
    """Who announces an orphan (A2)."""

    ALL = "all"
    ONE = "one"
    RANKED = "ranked"


class Standby(StrEnum):
    """Whether a VIP that is not orphaned is announced by its takers, too (A4)."""

    COLD = "cold"
    HOT = "hot"


class OnStoreLoss(StrEnum):
    """What a lost session does to what is announced (L1)."""

    KEEP = "keep"
    OWN = "own"
    WITHDRAW = "withdraw"


class Claim(StrEnum):
    """Whose a registration in the store is, as far as the backend can tell (G3)."""

    OURS = "ours"
    """This very agent's."""
    SAME_NODE = "same-node"
    """Another run's under the name of this node: a leftover, or a twin."""
    OTHER = "other"


class Reason(StrEnum):
    """Why a VIP is, or is not, announced by this node (Shape 5).

    `RULES` has the rule behind each, `SEVERITIES` how operators should take it.
    """

    OWNER = "owner"
    TAKEOVER = "takeover"
    RELEASING = "releasing"
    """The owner is back; announced for `release_delay` more (H1)."""
    HOT_STANDBY = "hot-standby"
    DRAINING = "draining"
    STANDBY = "standby"
    SETTLING = "settling"
    STARTING = "starting"
    CONFLICT = "conflict"
    CHECK_DOWN = "check-down"
    DISABLED = "disabled"
    NO_ADDRESS = "no-address"
    """The VIP is to be set up on the loopback interface, and cannot be."""
    MAINTENANCE_SERVICE = "maintenance-service"
    MAINTENANCE_NODE = "maintenance-node"
    NO_BGP = "no-bgp"
    REFUSED = "refused"
    """ExaBGP does not accept the route."""
    STORE_LOST = "store-lost"
    STORE_UNKNOWN = "store-unknown"
    """The store was never reached, so nobody knows who else serves this VIP."""
    REMOVED = "removed"
    """No longer in the configuration."""
    STOPPING = "stopping"


class Severity(StrEnum):
    """How operators should take a reason: the status page and the dashboard color it accordingly."""

    OK = "ok"
    """The VIP is as it should be on this node."""
    NOTICE = "notice"
    """Planned by an operator, or temporary."""
    FAULT = "fault"
    """Something is broken; an alert reports it."""


RULES: Mapping[Reason, str] = {
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
    Reason.REFUSED: "G1",
    Reason.STORE_LOST: "L1",
    Reason.STORE_UNKNOWN: "L2",
    Reason.REMOVED: "E3",
    Reason.STOPPING: "E3",
}
"""The rule of the contract that says so."""


SEVERITIES: Mapping[Reason, Severity] = {
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
    Reason.REFUSED: Severity.FAULT,
    Reason.STORE_LOST: Severity.FAULT,
    Reason.STORE_UNKNOWN: Severity.FAULT,
    Reason.REMOVED: Severity.NOTICE,
    Reason.STOPPING: Severity.NOTICE,
}
