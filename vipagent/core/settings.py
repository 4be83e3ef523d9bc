"""Settings of the core for one service: validated plain data."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from vipagent.config.values import Count, PositiveCount, PositiveSeconds, Seconds, Section
from vipagent.core.preference import Preferences
from vipagent.core.words import OnStoreLoss, Standby, Takeover


@dataclass(frozen=True)
class FlapHold(Section):
    """Hold-down of a flapping owner: it registers only after a longer time up (H4)."""

    seconds: Annotated[Seconds, "Hold-down time before the owner registers, in seconds; 0 disables it."] = 0.0
    count: Annotated[PositiveCount, "Number of lost registrations within window that triggers the hold."] = 3
    window: Annotated[PositiveSeconds, "Period in which lost registrations are counted, in seconds."] = 60.0


@dataclass(frozen=True, kw_only=True)
class CoreOptions(Section):
    """Options of the core."""

    takeover: Annotated[
        Takeover,
        "Takeover policy for the VIP of a dead node. all: all other nodes announce it equally; one: exactly "
        "one node; ranked: all nodes, each at its rank.",
    ] = Takeover.ALL
    standby: Annotated[
        Standby,
        "Standby mode of the other nodes while the owner is alive. hot: they announce its VIP at their "
        "rank, so that routers know the backup paths in advance; cold: they do not announce it.",
    ] = Standby.COLD
    on_store_loss: Annotated[
        OnStoreLoss,
        "Action when the store's session is lost. keep: keep all routes; own: keep only the routes of "
        "owned VIPs; withdraw: withdraw all routes.",
    ] = OnStoreLoss.KEEP
    start_grace: Annotated[
        Seconds,
        "Maximum time to wait for the store at start, in seconds; then the node announces its own VIP.",
    ] = 10.0
    settle: Annotated[
        Seconds | None,
        "Delay after a connection to the store, in seconds, before a VIP that previously had an owner is "
        "taken over (default: session_timeout).",
    ] = None
    release_delay: Annotated[
        Seconds, "Delay before a VIP is withdrawn after its owner has returned, in seconds."
    ] = 2.0
    drain_delay: Annotated[
        Seconds,
        "Time for which a node entering maintenance keeps its routes at lower preference, in seconds.",
    ] = 5.0
    require_bgp: Annotated[
        Count,
        "Minimum number of established BGP neighbours; with fewer the node cannot serve, and the others "
        "take over its VIPs. 0 disables the check.",
    ] = 1
    flap_hold: Annotated[
        FlapHold,
        "Hold-down of an owner that lost its registration count times within window seconds: it must be up "
        "for the given seconds before it registers again.",
    ] = FlapHold()


@dataclass(frozen=True, kw_only=True)
class HealthOptions(Section):
    """Number of check results that change the service's state."""

    rise: Annotated[PositiveCount, "Consecutive successful checks before the service is considered up."] = 3
    fall: Annotated[PositiveCount, "Consecutive failed checks before the service is considered down."] = 3


@dataclass(frozen=True)
class ServiceSettings(HealthOptions, CoreOptions):
    """Settings of one service on one node. All times are in seconds."""

    name: str
    node: str
    owned: tuple[str, ...]
    """The VIPs owned by this node."""
    seats: tuple[tuple[str, ...], ...]
    """All VIPs of the pool grouped by owner, in the same order on every node."""
    settle: float = field(kw_only=True)
    """The option's value, or the session timeout if it is not set."""

    @cached_property
    def pool(self) -> tuple[str, ...]:
        """All VIPs of the service."""
        return tuple(vip for seat in self.seats for vip in seat)

    @cached_property
    def preferences(self) -> Preferences:
        """Takeover order of the nodes for each orphan."""
        return Preferences(self.seats, self.owned)

    def owns(self, vip: str) -> bool:
        """Return whether this node owns the VIP. Called for every VIP at every event, so it must be fast."""
        return vip in self._owned

    @cached_property
    def _owned(self) -> frozenset[str]:
        return frozenset(self.owned)
