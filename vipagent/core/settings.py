"""What the core needs to know of one service's configuration: plain data, already validated."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from vipagent.config.values import Count, Seconds, Section, SomeSeconds, Times
from vipagent.core.preference import Preferences
from vipagent.types import OnStoreLoss, Standby, Takeover


@dataclass(frozen=True)
class FlapHold(Section):
    """When an owner that came and went too often has to stay up for longer before it registers (H4)."""

    seconds: Annotated[Seconds, "Time that the owner has to stay up, in seconds; 0 turns this off."] = 0.0
    count: Annotated[Times, "Losses of the owner's registration that bring this on ..."] = 3
    window: Annotated[SomeSeconds, "... within so many seconds."] = 60.0


@dataclass(frozen=True, kw_only=True)
class CoreOptions(Section):
    """What the core decides by."""

    takeover: Annotated[
        Takeover,
        "Who announces a dead node's VIP: all others, exactly one, or all, each at its rank.",
    ] = Takeover.ALL
    standby: Annotated[
        Standby,
        "What the others do while the owner lives. hot: they announce its VIP at their rank, so that the "
        "network knows the way before it is needed; cold: nothing.",
    ] = Standby.COLD
    on_store_loss: Annotated[
        OnStoreLoss,
        "What happens when the store's session is lost: keep all routes, only the own VIP's, or withdraw "
        "all.",
    ] = OnStoreLoss.KEEP
    start_grace: Annotated[
        Seconds,
        "Time that a start waits for the store, in seconds; then it announces the own VIP without it.",
    ] = 10.0
    settle: Annotated[
        Seconds | None,
        "Time after a connection to the store, in seconds, in which nothing is taken over that had an "
        "owner before; by default session_timeout.",
    ] = None
    release_delay: Annotated[
        Seconds, "Time that a VIP is still announced after its owner is back, in seconds."
    ] = 2.0
    drain_delay: Annotated[
        Seconds,
        "Time that a node that goes into maintenance announces on, at lowered preference, in seconds.",
    ] = 5.0
    require_bgp: Annotated[
        Count,
        "Minimum number of established BGP neighbours; with fewer the node counts as unable to serve, "
        "and the others take its VIPs over. 0 turns this off.",
    ] = 1
    flap_hold: Annotated[
        FlapHold,
        "Hold of an owner that lost its registration count times within window seconds: it has to stay "
        "up for so many seconds before it registers again.",
    ] = FlapHold()


@dataclass(frozen=True, kw_only=True)
class HealthOptions(Section):
    """How many results of the check decide on the service's state."""

    rise: Annotated[Times, "Consecutive successful checks before the service is considered up."] = 3
    fall: Annotated[Times, "Consecutive failed checks before it is considered down."] = 3


@dataclass(frozen=True)
class ServiceSettings(HealthOptions, CoreOptions):
    """One service on one node. All times in seconds."""

    name: str
    node: str
    owned: tuple[str, ...]
    """The VIPs whose authority this node is."""
    seats: tuple[tuple[str, ...], ...]
    """The whole pool, the owned ones included, by owner and in the same order on every node."""
    settle: float = field(kw_only=True)
    """The option or, if it is not given, the session timeout."""

    @cached_property
    def pool(self) -> tuple[str, ...]:
        """Every VIP of the service."""
        return tuple(vip for seat in self.seats for vip in seat)

    @cached_property
    def preferences(self) -> Preferences:
        """Who takes which orphan before this node does."""
        return Preferences(self.seats, self.owned)

    @cached_property
    def owned_set(self) -> frozenset[str]:
        """The owned VIPs, to be found quickly: of every VIP it is asked at every event."""
        return frozenset(self.owned)
