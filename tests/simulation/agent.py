"""Agent process of a simulated machine: a node and its store session, which can be paused together."""

from collections.abc import Callable, Mapping

from tests.simulation.client import Client
from tests.simulation.environment import Environment
from tests.simulation.exabgp import ExaBGP, Silence
from tests.simulation.impairments import Impairments
from tests.simulation.node import NEVER, Node, path_identifier, prefix
from vipagent.core import events
from vipagent.core.actions import Action
from vipagent.core.settings import ServiceSettings
from vipagent.engine import effects, inputs
from vipagent.engine.inputs import Input
from vipagent.exabgp.route import RouteSettings
from vipagent.exabgp.table import RouteIdentity
from vipagent.store.backend import Identity
from vipagent.store.layout import Kind, member_vip

LINK_QUERY_DELAY = 0.01
"""Seconds until the kernel has reported the interfaces of newly followed neighbours."""
ACKS = frozenset({"done", "error"})
"""Replies to commands and queries."""


class Agent(Node):
    """One agent process.

    Args:
        settings: the settings of its service.
        exabgp: the ExaBGP that started it.
        environment: the objects shared by all machines.
        run: this process, and the earlier ones of its machine.
        latency: returns the random latency of a message to or from the store, in seconds.
        impairments: the impairments of its machine.
        on_reschedule: called when the time of the next event may have changed.
        on_exit: called when the agent has exited regularly.
        links_down: returns the interface of each neighbour whose interface is down.
        routes: the attributes of its routes.
        earlier: the routes recorded by earlier agent processes; None without a record.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        exabgp: ExaBGP,
        environment: Environment,
        *,
        run: Identity,
        latency: Callable[[], float],
        impairments: Impairments,
        on_reschedule: Callable[[], None],
        on_exit: Callable[["Agent"], None],
        links_down: Callable[[], Mapping[str, str]],
        routes: RouteSettings,
        earlier: frozenset[RouteIdentity] | None,
    ) -> None:
        self.paused = False
        self.gone = False
        """Whether the process was killed or has exited."""
        self._links_down = links_down
        self._links_seen: Mapping[str, str] = {}
        self._followed: frozenset[str] = frozenset()
        self._backlog: list[str] = []
        self._acked = False
        """Whether ExaBGP has sent a reply to this run."""
        self._environment = environment
        self._on_reschedule = on_reschedule
        self._on_exit = on_exit
        self.client = Client(
            settings,
            environment,
            run=run,
            latency=latency,
            impairments=impairments,
            on_input=self.handle_now,
        )
        environment.observer.agent_started(settings)
        super().__init__(
            settings,
            exabgp,
            environment.clock.now,
            self._observe,
            run.instance,
            routes=routes,
            earlier=earlier,
        )

    def handle_now(self, received: Input) -> None:
        """Process an input at the current time."""
        self.now = self._environment.clock.now
        self.handle(received)
        self._on_reschedule()

    def receive_lines(self, lines: list[str]) -> None:
        """Process lines from ExaBGP, or buffer them while the agent is paused."""
        if self.paused:
            self._backlog += lines
        else:
            self._acked = self._acked or not ACKS.isdisjoint(lines)
            super().receive_lines(lines)

    def run_due(self) -> None:
        """Process all events that are due."""
        self.now = self._environment.clock.now
        if self.paused:
            self.receive_lines(self.exabgp.process(self.now))
        else:
            super().run_due()

    def fire_timer(self) -> None:
        """Fire the engine's timer, after processing all available input, as the agent does (N2)."""
        if self._backlog:
            self._process_backlog()
        super().fire_timer()

    def next_event_at(self) -> float:
        """Return the time of the next event."""
        if not self.paused:
            return super().next_event_at()
        return NEVER if self.exabgp.process_at is None else self.exabgp.process_at

    def pause(self) -> None:
        """Pause the process, as SIGSTOP does."""
        self.paused = True
        self.client.pause()

    def resume(self) -> None:
        """Resume the process; buffered input from ExaBGP and the store and the timer run in random order."""
        self.paused = False
        self.now = self._environment.clock.now
        calls = [self._process_backlog, self.client.resume, self.fire_timer, self.links_changed]
        for call in self._environment.rng.sample(calls, len(calls)):
            call()
        self.run_due()
        self._on_reschedule()

    def links_changed(self) -> None:
        """Read from the kernel which interfaces are down; their neighbours must be followed."""
        down = {peer: interface for peer, interface in self._links_down().items() if peer in self._followed}
        if not self.paused and down != self._links_seen:
            self._links_seen = down
            self.handle_now(inputs.LinksDown(down))

    def _follow(self, peers: frozenset[str]) -> None:
        self._followed = peers
        self._environment.clock.after(LINK_QUERY_DELAY, self._links_queried)

    def _links_queried(self) -> None:
        if not self.gone:
            self.links_changed()

    def _process_backlog(self) -> None:
        backlog, self._backlog = self._backlog, []
        self.receive_lines(backlog)

    def _observe(self, event: events.Event, todo: list[Action], _now: float) -> None:
        self._environment.observer.decided(self.settings.node, event, todo)

    def _exit(self) -> None:
        super()._exit()
        self._on_exit(self)

    def _execute_in_store(self, effect: effects.ToStore) -> None:
        super()._execute_in_store(effect)
        match effect:
            case effects.RegisterEntry(key, value):
                self._check_registration(member_vip(key.name))
                self.client.register(key.name, value)
            case effects.DeregisterEntry(key) if key.directory.kind is Kind.MEMBERS:
                self.client.deregister(key.name)

    def _check_registration(self, vip: str) -> None:
        """Check that ExaBGP has executed the announcement of a VIP, unless a stale entry is replaced (G1).

        One that has not replied to this run yet may have acknowledgements disabled, which is tolerated (E1).
        """
        exabgp, announced = self.exabgp, self.requested.get(vip)
        if announced and exabgp.acks and self._acked and exabgp.silence is Silence.NOTHING:
            route = prefix(vip) + path_identifier(self._routes)
            assert route in exabgp.executed, f"G1: {vip} is registered, but ExaBGP rejects its route"
