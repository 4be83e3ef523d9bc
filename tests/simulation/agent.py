"""A running agent of a simulated machine: a node, its session with the store, and what waits for both."""

from collections.abc import Callable

from tests.simulation.client import Client
from tests.simulation.exabgp import ExaBGP
from tests.simulation.hindrances import Hindrances
from tests.simulation.node import NEVER, Node
from tests.simulation.surroundings import Surroundings
from vipagent.core import events
from vipagent.core.actions import Action
from vipagent.core.settings import ServiceSettings
from vipagent.engine import effects
from vipagent.engine.inputs import Input
from vipagent.store.layout import Kind


class Agent(Node):
    """One life of an agent.

    Args:
        settings: its service.
        exabgp: whose process it is.
        around: what all machines share.
        instance: names this life.
        hop: draws how long a message to or from the store takes.
        hindrances: its machine's.
        woken: called when the time at which something is due may be another.
        over: called when it has ended by itself.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        exabgp: ExaBGP,
        around: Surroundings,
        *,
        instance: str,
        hop: Callable[[], float],
        hindrances: Hindrances,
        woken: Callable[[], None],
        over: Callable[["Agent"], None],
    ) -> None:
        self.stopped = False
        self._backlog: list[str] = []
        self._around = around
        self._woken = woken
        self._over = over
        self.client = Client(
            settings, around, instance=instance, hop=hop, hindrances=hindrances, give=self.take
        )
        around.witness.begun(settings)
        super().__init__(settings, exabgp, around.clock.now, self._witnessed, instance)

    def take(self, given: Input) -> None:
        """Give the engine an input, now."""
        self.now = self._around.clock.now
        self.give(given)
        self._woken()

    def hear(self, lines: list[str]) -> None:
        """Take what ExaBGP says; it waits in the pipe while the agent is stopped."""
        if self.stopped:
            self._backlog += lines
        else:
            super().hear(lines)

    def turn(self) -> None:
        """Do what is due now."""
        self.now = self._around.clock.now
        if self.stopped:
            self.hear(self.exabgp.turn(self.now))
        else:
            super().turn()

    def fire(self) -> None:
        """Let the engine's timer fire; as in the agent, what there is to read comes first (N2)."""
        if self._backlog:
            self._read()
        super().fire()

    def next_at(self) -> float:
        """Return when something is going to happen here."""
        if not self.stopped:
            return super().next_at()
        return NEVER if self.exabgp.turn_at is None else self.exabgp.turn_at

    def stop(self) -> None:
        """Stand still, as after SIGSTOP."""
        self.stopped = True
        self.client.freeze()

    def go_on(self) -> None:
        """Run again: what ExaBGP said, what the store said and what the clock says, in any order."""
        self.stopped = False
        self.now = self._around.clock.now
        todo = [self._read, self.client.thaw, self.fire]
        for call in self._around.rng.sample(todo, len(todo)):
            call()
        self.turn()
        self._woken()

    def _read(self) -> None:
        backlog, self._backlog = self._backlog, []
        self.hear(backlog)

    def _witnessed(self, event: events.Event, todo: list[Action], _now: float) -> None:
        self._around.witness.decided(self.settings.node, event, todo)

    def _end(self) -> None:
        super()._end()
        self._over(self)

    def _carry_out_in_store(self, effect: effects.ToStore) -> None:
        super()._carry_out_in_store(effect)
        match effect:
            case effects.RegisterEntry(key, value):
                self.client.register(key.name, value)
            case effects.DeregisterEntry(key) if key.directory.kind is Kind.MEMBERS:
                self.client.deregister(key.name)
