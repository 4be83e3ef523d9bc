"""Actions that the core asks the engine to carry out, in the order given (Shape 1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vipagent.types import CheckState, Reason


@dataclass(frozen=True, slots=True)
class Preference:
    """How strongly the network should prefer a route (A3)."""

    rank: int
    draining: bool = False
    """Announced only until the other nodes have taken over (H2)."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Announce a VIP, or replace its route without a withdrawal in between (A6)."""

    vip: str
    preference: Preference
    reason: Reason


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Withdraw a VIP, even if only an earlier run may have announced it (E2)."""

    vip: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Register:
    """Register an owned VIP in the store (G1)."""

    vip: str


@dataclass(frozen=True, slots=True)
class Deregister:
    """Remove the registration of an owned VIP immediately (G2)."""

    vip: str
    reason: Reason


class VipReport(NamedTuple):
    """State of one VIP on this node.

    A named tuple because every decision creates and compares one per VIP.
    """

    reason: Reason
    rank: int | None
    """Rank of the requested route; None if no route is requested."""
    owned: bool
    accepted: bool = False
    """Whether ExaBGP has accepted the requested route."""
    in_table: bool | None = None
    """Whether ExaBGP's table has a route of the VIP; None if unknown."""
    local: bool | None = None
    """Whether the VIP is an address of an interface of this node; None if unknown."""


@dataclass(frozen=True, slots=True)
class Report:
    """State of a service on this node."""

    check: CheckState
    neighbors: int | None
    """Established BGP neighbours; None if unknown."""
    vips: Mapping[str, VipReport]
    conflicts: Mapping[str, str]
    """Owned VIPs registered by another agent, and its names."""
    maintenance: str
    """Reason for the maintenance of the node or the service; empty if there is none."""
    detail: str = field(compare=False)
    """Output of the last check; while the state is DOWN, of the last one that has failed."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """VIPs that cannot be added to the loopback interface, with the error."""
    held_until: float | None = None
    """Until when the owned VIPs are held because the service has flapped, by the monotonic clock (H4)."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish the report for operators and the status page."""

    report: Report


@dataclass(frozen=True, slots=True)
class RunHook:
    """Run the hooks configured for this state of the check (C2)."""

    state: CheckState


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send `TimerFired` at this time of the monotonic clock; replaces the previous timer.

    None cancels the timer.
    """

    at: float | None


Action = Announce | Withdraw | Register | Deregister | Publish | RunHook | SetTimer
