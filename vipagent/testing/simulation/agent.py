"""A running agent of a simulated machine: a node, its session with the store, and what waits for both."""

from collections.abc import Callable

from vipagent.core import actions, events
from vipagent.core.actions import Action
from vipagent.core.settings import ServiceSettings
from vipagent.testing.simulation.client import Client
from vipagent.testing.simulation.exabgp import ExaBGP
from vipagent.testing.simulation.hindrances import Hindrances
from vipagent.testing.simulation.node import Node
from vipagent.testing.simulation.surroundings import Surroundings


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
    ) -> None:
        self.stopped = False
        self._backlog: list[str] = []
        self._around = around
        self._woken = woken
        self.client = Client(
            settings, around, instance=instance, hop=hop, hindrances=hindrances, feed=self.take
        )
        around.witness.begun(settings)
        super().__init__(settings, exabgp, around.clock.now, self._witnessed)

    def take(self, event: events.Event) -> None:
        """Take an event, now."""
        self.now = self._around.clock.now
        self.feed(event)
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

    def next_at(self) -> float:
        """Return when something is going to happen here."""
        if not self.stopped:
            return super().next_at()
        return float("inf") if self.exabgp.turn_at is None else self.exabgp.turn_at

    def stop(self) -> None:
        """Stand still, as after SIGSTOP."""
        self.stopped = True
        self.client.freeze()

    def go_on(self) -> None:
        """Run again: what ExaBGP said, what the store said and what the clock says, in any order."""
        self.stopped = False
        backlog, self._backlog = self._backlog, []
        self.now = self._around.clock.now
        todo = [lambda: self.hear(backlog), self.client.thaw, self.fire]
        for call in self._around.rng.sample(todo, len(todo)):
            call()
        self.turn()
        self._woken()

    def _witnessed(self, event: events.Event, todo: list[Action], _now: float) -> None:
        self._around.witness.decided(self.settings.node, event, todo)

    def _carry_out(self, action: Action) -> None:
        super()._carry_out(action)
        match action:
            case actions.Register(vip):
                self.client.register(vip)
            case actions.Deregister(vip):
                self.client.deregister(vip)
