"""What can happen to a service on a node: all that the core ever learns (Shape 1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import overload

from vipagent.core.settings import ServiceSettings
from vipagent.types import CheckResult, Claim, StoreState


@dataclass(frozen=True, slots=True)
class Checked:
    """The local check ran."""

    result: CheckResult
    detail: str = ""
    seconds: float | None = field(default=None, compare=False)
    """How long it took; None: nothing was run. It decides nothing."""


@dataclass(frozen=True, slots=True)
class Member:
    """A live registration in the store."""

    claim: Claim = Claim.OTHER
    node: str = ""
    """Who holds it, where that is known."""


@dataclass(frozen=True, slots=True)
class MembersSeen:
    """All the members of the service, by VIP."""

    members: Mapping[str, Member]


@dataclass(frozen=True, slots=True)
class MaintenanceSeen:
    """The maintenance keys that concern this node."""

    service: bool = False
    node: bool = False
    now: bool = False
    """The node's key asks to skip the drain (H2)."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class StoreChanged:
    """The session with the store has another state."""

    state: StoreState


@dataclass(frozen=True, slots=True)
class NeighborsChanged:
    """So many BGP neighbours are established (E5)."""

    established: int | None
    """None: that is not known."""


@dataclass(frozen=True, slots=True)
class AddressesMissing:
    """The VIPs, of any service, that should be on the loopback interface and cannot be put there."""

    vips: Mapping[str, str]
    """Why, by VIP; none: all is well."""


@dataclass(frozen=True, slots=True)
class RouteAccepted:
    """ExaBGP has accepted the announcement of this VIP as it is wished now."""

    vip: str


@dataclass(frozen=True, slots=True)
class RouteRefused:
    """ExaBGP has refused the announcement of this VIP; it is going to be tried again."""

    vip: str


FromExaBGP = NeighborsChanged | RouteAccepted | RouteRefused
"""What ExaBGP says of its own accord or in reply: often several in one breath."""


@dataclass(frozen=True, slots=True)
class Together:
    """What became known at once, in this order: all of it is learnt before anything is decided (A6)."""

    events: tuple[FromExaBGP, ...]


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The time that `SetTimer` named has come."""


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """The configuration was read anew (E3)."""

    settings: ServiceSettings


@dataclass(frozen=True, slots=True)
class LeaveAsked:
    """The agent is going to end once the others have had time to announce (E3)."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The agent ends now."""


FromStore = MembersSeen | MaintenanceSeen | StoreChanged
"""What the store says."""
Asked = LeaveAsked | StopAsked
Fact = FromStore | FromExaBGP | AddressesMissing | TimerFired | Asked
"""What changes the state and nothing else; any of it may matter to the decisions."""
Event = Checked | Reconfigured | Together | Fact


@overload
def each(event: Fact | Together) -> tuple[Fact, ...]: ...
@overload
def each(event: Event) -> tuple[Event, ...]: ...


def each(event: Event) -> tuple[Event, ...]:
    """Return the events that came together, or the only one."""
    return event.events if isinstance(event, Together) else (event,)
