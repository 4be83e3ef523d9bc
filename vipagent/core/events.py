"""Events that the core handles (Shape 1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import overload

from vipagent.core.settings import ServiceSettings
from vipagent.types import CheckResult, Claim, StoreState


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """The local check has finished."""

    result: CheckResult
    detail: str = ""
    seconds: float | None = field(default=None, compare=False)
    """Duration of the check; None if no command was run. Not used for decisions."""


@dataclass(frozen=True, slots=True)
class Member:
    """A live registration in the store."""

    claim: Claim = Claim.OTHER
    node: str = ""
    """Name of the node that holds it; empty if unknown."""
    host: str = ""
    """Name of that node's host; empty if unknown."""

    def holder(self, node: str) -> str:
        """Return who holds it, as seen by a node of this name; empty if unknown."""
        name = f"another agent named {node}" if self.node == node else self.node
        return f"{name} (host {self.host})" if self.node and self.host else name


@dataclass(frozen=True, slots=True)
class MembersSeen:
    """A snapshot of the service's members was read from the store."""

    members: Mapping[str, Member]
    """All members, by VIP."""


@dataclass(frozen=True, slots=True)
class MaintenanceSeen:
    """A snapshot of the maintenance keys that apply to this node was read from the store."""

    service: bool = False
    node: bool = False
    now: bool = False
    """Skip the drain (H2)."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class StoreChanged:
    """The state of the store session has changed."""

    state: StoreState


@dataclass(frozen=True, slots=True)
class NeighborsChanged:
    """The number of established BGP neighbours has changed (E5)."""

    established: int | None
    """None if unknown."""
    families: frozenset[int] | None = None
    """IP versions that an established neighbour has negotiated (N10); None if unknown."""
    unseen: bool = False
    """Whether ExaBGP has had enough time to report its neighbours, and has not (E5)."""


@dataclass(frozen=True, slots=True)
class TableRead:
    """ExaBGP's table of announced routes was read (E2)."""

    vips: frozenset[str]
    """VIPs of the pool that ExaBGP announces, at the request of any process."""
    unsure: frozenset[str] = frozenset()
    """VIPs with a command since the table was requested, which it may not contain yet."""


@dataclass(frozen=True, slots=True)
class AddressesNotLocal:
    """The set of VIPs that are an address of no interface of this node has changed.

    Applies to all services. Unlike those of `AddressesMissing`, such a VIP is announced, because the node may
    forward its packets.
    """

    vips: frozenset[str] | None
    """None if the addresses are not checked."""


@dataclass(frozen=True, slots=True)
class AddressesMissing:
    """The set of VIPs that cannot be added to the loopback interface has changed.

    Applies to all services: a VIP in the set is not announced.
    """

    vips: Mapping[str, str]
    """The error, by VIP; empty if all addresses are present."""


@dataclass(frozen=True, slots=True)
class RouteAccepted:
    """ExaBGP has accepted the most recently requested announcement of this VIP."""

    vip: str


@dataclass(frozen=True, slots=True)
class RouteRefused:
    """ExaBGP has rejected the announcement of this VIP; the engine will retry it."""

    vip: str


FromExaBGP = NeighborsChanged | RouteAccepted | RouteRefused | TableRead
"""Events caused by ExaBGP's output."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Several events from one read of ExaBGP's output; all are applied before one decision (A6)."""

    events: tuple[FromExaBGP, ...]


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The time given by `SetTimer` has been reached."""


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """The configuration was reloaded (E3)."""

    settings: ServiceSettings


@dataclass(frozen=True, slots=True)
class LeaveRequested:
    """The agent is about to stop; keep announcing until the other nodes have taken over (E3)."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The agent, or this service, stops now: withdraw and deregister everything."""


FromStore = MembersSeen | MaintenanceSeen | StoreChanged
"""Events caused by the store."""
FromAddresses = AddressesMissing | AddressesNotLocal
"""Events caused by the addresses of this node."""
StateChange = FromStore | FromExaBGP | FromAddresses | TimerFired | LeaveRequested | StopRequested
"""Events that only update the state before the next decision."""
Event = CheckFinished | Reconfigured | Batch | StateChange


@overload
def unbatch(event: StateChange | Batch) -> tuple[StateChange, ...]: ...
@overload
def unbatch(event: Event) -> tuple[Event, ...]: ...


def unbatch(event: Event) -> tuple[Event, ...]:
    """Return the events of a batch, or a single event as a tuple of one."""
    return event.events if isinstance(event, Batch) else (event,)
