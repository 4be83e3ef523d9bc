"""Validated configuration of one service, as used by the core."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from vipagent.config.values import Count, PositiveCount, PositiveSeconds, Seconds, Section
from vipagent.core.preference import Preferences
from vipagent.types import OnStoreLoss, Standby, Takeover

Owners = tuple[tuple[str, ...], ...]
"""The VIPs of a service, grouped by owner."""


def ip_version(vip: str) -> int:
    """Return the IP version of a VIP."""
    return 6 if ":" in vip else 4


@dataclass(frozen=True)
class FlapHold(Section):
    """Delay before an owner that has flapped registers again (H4)."""

    seconds: Annotated[
        Seconds, "Time the owner must stay up before it registers, in seconds; 0 disables it."
    ] = 0.0
    count: Annotated[PositiveCount, "Number of lost registrations within window that triggers the delay."] = 3
    window: Annotated[PositiveSeconds, "Period in which lost registrations are counted, in seconds."] = 60.0


@dataclass(frozen=True, kw_only=True)
class CoreOptions(Section):
    """Options of the core."""

    takeover: Annotated[
        Takeover,
        "Nodes that announce the VIP of a dead node: all others (all), exactly one (one), or all others, "
        "each at its rank (ranked).",
    ] = Takeover.ALL
    standby: Annotated[
        Standby,
        "Behaviour of the other nodes while the owner is alive. hot: announce its VIP at their rank, so that "
        "the network already has the backup path; cold: announce nothing.",
    ] = Standby.COLD
    on_store_loss: Annotated[
        OnStoreLoss,
        "Routes to keep when the store session is lost: all (keep), only those of owned VIPs (own), or none "
        "(withdraw).",
    ] = OnStoreLoss.KEEP
    start_grace: Annotated[
        Seconds,
        "Time to wait for the store after a start, in seconds; then owned VIPs are announced without it.",
    ] = 10.0
    settle: Annotated[
        Seconds | None,
        "Time after a connection to the store during which VIPs that had a live owner before are not taken "
        "over, in seconds (default: session_timeout).",
    ] = None
    release_delay: Annotated[
        Seconds, "Time to keep announcing a VIP after its owner is back, in seconds."
    ] = 2.0
    drain_delay: Annotated[
        Seconds,
        "Time to keep announcing at the lowest rank after a node enters maintenance, in seconds.",
    ] = 5.0
    require_bgp: Annotated[
        Count,
        "Minimum number of established BGP neighbours; with fewer the node cannot serve, and the "
        "other nodes take over its VIPs; 0 disables the gate.",
    ] = 1
    flap_hold: Annotated[
        FlapHold,
        "Flap damping: after count lost registrations within window seconds, the owner must stay up for "
        "the given time before it registers again.",
    ] = FlapHold()


@dataclass(frozen=True, kw_only=True)
class HealthOptions(Section):
    """Thresholds of the local check."""

    rise: Annotated[PositiveCount, "Consecutive successful checks before the service is considered up."] = 3
    fall: Annotated[PositiveCount, "Consecutive failed checks before the service is considered down."] = 3


@dataclass(frozen=True)
class ServiceSettings(HealthOptions, CoreOptions):
    """Settings of one service on one node. All times are in seconds."""

    name: str
    node: str
    owned: tuple[str, ...]
    """VIPs owned by this node."""
    owners: Owners
    """VIPs of each owner, this node included; the same order on every node."""
    settle: float = field(kw_only=True)
    """The option, or the session timeout if it is not set."""

    @cached_property
    def pool(self) -> tuple[str, ...]:
        """All VIPs of the service."""
        return tuple(vip for vips in self.owners for vip in vips)

    @cached_property
    def pool_set(self) -> frozenset[str]:
        """All VIPs of the service as a set."""
        return frozenset(self.pool)

    @cached_property
    def pool_by_version(self) -> Mapping[int, frozenset[str]]:
        """The VIPs of each IP version."""
        return {
            version: frozenset(vip for vip in self.pool if ip_version(vip) == version) for version in (4, 6)
        }

    @cached_property
    def owners_by_version(self) -> Mapping[int, Owners]:
        """The VIPs of each IP version in the pool, grouped by owner as in `owners`."""
        return {
            version: tuple(tuple(vip for vip in vips if vip in pool) for vips in self.owners)
            for version, pool in self.pool_by_version.items()
            if pool
        }

    @cached_property
    def preferences(self) -> Preferences:
        """The order of preference for each VIP."""
        return Preferences(self.owners, self.owned)

    @cached_property
    def owned_set(self) -> frozenset[str]:
        """Owned VIPs as a set, because every decision looks up every VIP."""
        return frozenset(self.owned)
