"""What the core needs to know of one service's configuration: plain data, already validated."""

from dataclasses import dataclass
from functools import cached_property

from vipagent.core.preference import Preferences
from vipagent.core.words import OnStoreLoss, Standby, Takeover


@dataclass(frozen=True, slots=True)
class FlapHold:
    """When an owner that came and went too often has to stay up for longer before it registers (H4)."""

    seconds: float = 0.0
    """How long it has to stay up; 0 turns this off."""
    count: int = 3
    """So many losses of its registration ..."""
    window: float = 60.0
    """... within so many seconds."""


@dataclass(frozen=True)
class ServiceSettings:
    """One service on one node. All times in seconds."""

    name: str
    node: str
    owned: tuple[str, ...]
    """The VIPs whose authority this node is."""
    seats: tuple[tuple[str, ...], ...]
    """The whole pool, the owned ones included, by owner and in the same order on every node."""
    takeover: Takeover = Takeover.ALL
    standby: Standby = Standby.COLD
    on_store_loss: OnStoreLoss = OnStoreLoss.KEEP
    start_grace: float = 10.0
    settle: float = 6.0
    release_delay: float = 2.0
    drain_delay: float = 5.0
    require_bgp: int = 1
    rise: int = 3
    fall: int = 3
    flap_hold: FlapHold = FlapHold()

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
