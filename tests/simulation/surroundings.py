"""What all simulated machines share: the time, chance, the store, and those who watch."""

from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.simulation.clock import Clock
from tests.simulation.server import Server
from vipagent.core import events
from vipagent.core.actions import Action
from vipagent.core.settings import ServiceSettings


class Witness(Protocol):
    """Sees all that happens, and objects by raising `AssertionError`."""

    def noted(self, who: str, what: str) -> None:
        """Something befell somebody."""

    def begun(self, settings: ServiceSettings) -> None:
        """An agent starts, which knows nothing."""

    def decided(self, node: str, event: events.Event, todo: list[Action]) -> None:
        """A core took an event."""

    def rewired(self) -> None:
        """A machine's routes may be others now."""


@dataclass(frozen=True)
class Pace:
    """How fast things are."""

    hop: float
    """Seconds that a message to or from the store takes at most."""
    exabgp: float
    """Seconds until ExaBGP takes a command."""
    acks: bool
    """Whether ExaBGP replies."""


@dataclass(frozen=True)
class Surroundings:
    """What all machines share."""

    clock: Clock
    rng: Random
    server: Server
    pace: Pace
    witness: Witness
