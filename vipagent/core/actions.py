"""What the core asks of the shell (Shape 1): plain data, carried out in the order given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vipagent.types import CheckState, Reason


@dataclass(frozen=True, slots=True)
class Preference:
    """How much the network should like a route (A3)."""

    rank: int
    draining: bool = False
    """Announced only until the others have taken over (H2)."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Announce a VIP, or replace its route without a withdrawal in between (A6)."""

    vip: str
    preference: Preference
    reason: Reason


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Withdraw a VIP, also one that only an earlier run may have announced (E2)."""

    vip: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Register:
    """Register an owned VIP in the store (G1)."""

    vip: str


@dataclass(frozen=True, slots=True)
class Deregister:
    """Remove the registration of an owned VIP at once (G2)."""

    vip: str
    reason: Reason


class VipReport(NamedTuple):
    """What this node does with one VIP, and why: a tuple, for each decision makes and compares them all."""

    reason: Reason
    rank: int | None
    """Its rank, where it is announced."""
    owned: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What this node does, and why."""

    check: CheckState
    neighbors: int | None
    """Established BGP neighbours; None as long as nobody said."""
    vips: Mapping[str, VipReport]
    conflicts: Mapping[str, str]
    """The owned VIPs that somebody else holds, and who."""
    maintenance: str
    """Why the node or the service is in maintenance; empty if it is not."""
    detail: str = field(compare=False)
    """What the last check said."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """The VIPs that cannot be put on the loopback interface, and why."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish what this node does, for people to read."""

    report: Report


@dataclass(frozen=True, slots=True)
class RunHook:
    """Run the operator's commands for this state of the check (C2)."""

    state: CheckState


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send `TimerFired` at this time of the monotonic clock, or never; it replaces the timer set before."""

    at: float | None


Action = Announce | Withdraw | Register | Deregister | Publish | RunHook | SetTimer
