"""Node in virtual time: the real engine and a simulated ExaBGP."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import assert_never

from tests.simulation.exabgp import ExaBGP
from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.core import actions, events
from vipagent.core.events import TimerFired
from vipagent.core.service import Service
from vipagent.core.settings import ServiceSettings
from vipagent.engine import effects, inputs
from vipagent.engine.effects import Effect
from vipagent.engine.engine import Engine
from vipagent.engine.inputs import Input
from vipagent.exabgp import route
from vipagent.exabgp.table import RouteIdentity
from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Kind, member_vip

ROUTES = route.RouteSettings()
WALL_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall clock of all nodes; used for display only."""

NEVER = float("inf")

DecisionCallback = Callable[[events.Event, list[actions.Action], float], None]


def prefix(vip: str) -> str:
    """Return a VIP as a prefix in ExaBGP's notation."""
    return f"{vip}/128" if ":" in vip else f"{vip}/32"


def path_identifier(routes: route.RouteSettings) -> str:
    """Return the path identifier that follows a prefix in a command; empty if there is none."""
    return f" path-information {routes.path_id}" if routes.path_id is not None else ""


class RecordingCore(Service):
    """The real core, with a record of its decisions."""

    def __init__(self, settings: ServiceSettings, now: float) -> None:
        super().__init__(settings, now)
        self.decided: list[tuple[events.Event, list[actions.Action]]] = []
        """The processed events and the resulting actions."""

    def handle(self, event: events.Event, now: float) -> list[actions.Action]:
        """Process an event and record the decision."""
        todo = super().handle(event, now)
        self.decided.append((event, todo))
        return todo

    @property
    def requested(self) -> dict[str, actions.Preference | None]:
        """The last requested route of each VIP."""
        return self._state.requested


class Node:
    """One agent with one service, and its ExaBGP.

    Args:
        settings: the settings of the service.
        exabgp: its ExaBGP, which may already have routes of an earlier agent process.
        now: the start time.
        on_decision: called with each event, the resulting actions and the time.
        instance: the unique name of this agent process.
        routes: the attributes of its routes.
        earlier: the routes recorded by earlier agent processes; None without a record.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        exabgp: ExaBGP,
        now: float = 0.0,
        on_decision: DecisionCallback | None = None,
        instance: str = "this run",
        *,
        routes: route.RouteSettings = ROUTES,
        earlier: frozenset[RouteIdentity] | None = None,
    ) -> None:
        self.now = now
        self.exabgp = exabgp
        self.registered: set[str] = set()
        self.timer: float | None = None
        self.ended = False
        """Whether the agent has exited."""
        self._on_decision = on_decision
        self._routes = routes
        self._store = StoreSettings(settings.node, instance)
        self.core = RecordingCore(settings, now)
        self.saved = earlier
        """The recorded routes."""
        self.engine = Engine(
            self._config(settings), lambda: WALL_CLOCK, lambda _settings, _now: self.core, earlier
        )
        self.handle(inputs.Started())

    @property
    def settings(self) -> ServiceSettings:
        """The current settings."""
        return self.core.settings

    @property
    def requested(self) -> dict[str, actions.Preference | None]:
        """The last requested route of each VIP."""
        return self.core.requested

    @property
    def core_timer(self) -> float | None:
        """The time of the core's next timer."""
        return min(
            (service.timer for service in self.engine.services.values() if service.timer), default=None
        )

    @property
    def report(self) -> actions.Report:
        """The node's last report."""
        assert self.core.report is not None
        return self.core.report

    def handle(self, received: Input) -> list[actions.Action]:
        """Process an input, execute the effects, and return the actions of the core's first decision."""
        for effect in self.engine.handle(received, self.now):
            self._execute(effect)
        decided, self.core.decided = self.core.decided, []
        if self._on_decision:
            for event, todo in decided:
                self._on_decision(event, todo, self.now)
        return decided[0][1] if decided else []

    def reconfigure(self, settings: ServiceSettings) -> list[actions.Action]:
        """Apply a new configuration."""
        return self.handle(inputs.ConfigReloaded(self._config(settings)))

    def set_bgp_session(self, *, established: bool) -> None:
        """Bring the node's BGP session up or down."""
        self.receive_lines(self.exabgp.set_session(self.now, established=established))

    def wait(self, seconds: float) -> None:
        """Advance the time, processing all events on time."""
        end = self.now + seconds
        while (at := self.next_event_at()) <= end:
            self.now = max(self.now, at)
            self.run_due()
        self.now = end

    def next_event_at(self) -> float:
        """Return the time of the next event."""
        at, timer = self.exabgp.process_at, self.timer
        if timer is None:
            return NEVER if at is None else at
        return timer if at is None or timer < at else at

    def run_due(self) -> None:
        """Process all events that are due."""
        if self.exabgp.process_at is not None and self.now >= self.exabgp.process_at:
            self.receive_lines(self.exabgp.process(self.now))
        self.fire_timer()

    def fire_timer(self) -> None:
        """Fire the engine's timer if it is due."""
        if self.timer is not None and self.now >= self.timer:
            self.timer = None
            self.handle(TimerFired())

    def receive_lines(self, lines: list[str]) -> None:
        """Process the lines of one read from ExaBGP."""
        if lines:
            self.handle(inputs.LinesRead(lines))

    def _config(self, settings: ServiceSettings) -> AgentConfig:
        return AgentConfig("simulated", self._store, (ServiceConfig(settings, self._routes),))

    def _execute(self, effect: Effect) -> None:
        match effect:
            case effects.Write(lines):
                self.exabgp.write(lines, self.now)
            case actions.SetTimer(at):
                self.timer = at
            case effects.End():
                self._exit()
            case effects.Log():
                if effect.raised:
                    raise effect.raised
            case (
                effects.StartService()
                | effects.StopService()
                | effects.RunServiceHook()
                | effects.ViewChanged()
            ):
                pass
            case effects.FollowNeighbors(peers):
                self._follow(peers)
            case effects.SaveRoutes(identities):
                self.saved = identities
            case _:
                self._execute_in_store(effect)

    def _follow(self, peers: frozenset[str]) -> None:
        """Follow the interfaces of these neighbours."""

    def _exit(self) -> None:
        self.ended = True

    def _execute_in_store(self, effect: effects.ToStore) -> None:
        match effect:
            case effects.RegisterEntry(key):
                self.registered.add(member_vip(key.name))
            case effects.DeregisterEntry(key):
                if key.directory.kind is Kind.MEMBERS:
                    self.registered.discard(member_vip(key.name))
            case effects.PublishRecord() | effects.Watch() | effects.Unwatch():
                pass
            case _:
                assert_never(effect)
