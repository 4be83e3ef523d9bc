"""Objects shared by all simulated machines: clock, random generator, store and observer."""

from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.simulation.clock import Clock
from tests.simulation.server import Server
from vipagent.core import events
from vipagent.core.actions import Action
from vipagent.core.settings import ServiceSettings


class Observer(Protocol):
    """Receives all events, and raises `AssertionError` on a violation."""

    def log(self, source: str, message: str) -> None:
        """Record a message in the timeline.

        Args:
            source: the name of the machine, or of the part that the message is about.
            message: what happened.
        """

    def agent_started(self, settings: ServiceSettings) -> None:
        """Start checking a new agent process."""

    def decided(self, node: str, event: events.Event, todo: list[Action]) -> None:
        """Check the decision of a node's core."""

    def vip_removed(self, vip: str) -> None:
        """Expect that no node serves a VIP."""

    def vip_restored(self, vip: str, at: float) -> None:
        """Expect that a VIP is served again, unserved since a time."""

    def routes_changed(self) -> None:
        """Update the served VIPs after routes may have changed."""


@dataclass(frozen=True)
class Timing:
    """Delays of a run."""

    latency: float
    """Maximum latency of a message to or from the store, in seconds."""
    exabgp_delay: float
    """Seconds until ExaBGP processes a command."""


@dataclass(frozen=True)
class Environment:
    """Objects shared by all machines."""

    clock: Clock
    rng: Random
    server: Server
    timing: Timing
    observer: Observer
