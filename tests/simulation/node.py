"""A node in virtual time: the engine as the agent runs it, and a modelled ExaBGP."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import assert_never

from tests.simulation.exabgp import ExaBGP
from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.core.settings import ServiceSettings
from vipagent.core.state import earliest
from vipagent.engine import effects, inputs
from vipagent.engine.effects import Effect
from vipagent.engine.engine import Engine
from vipagent.engine.inputs import Input
from vipagent.exabgp import route
from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Kind, member_vip

ROUTES = route.RouteSettings()
TIME_OF_DAY = datetime(2026, 1, 1, tzinfo=UTC)
"""What every clock says: it is for people only."""

NEVER = float("inf")

Watch = Callable[[events.Event, list[actions.Action], float], None]


def prefix(vip: str) -> str:
    """Return a VIP as ExaBGP writes it."""
    return f"{vip}/32"


class Core(Service):
    """The real core, which keeps what it has decided."""

    def __init__(self, settings: ServiceSettings, now: float) -> None:
        super().__init__(settings, now)
        self.decided: list[tuple[events.Event, list[actions.Action]]] = []
        """The events that it took, and what came out of each."""

    def handle(self, event: events.Event, now: float) -> list[actions.Action]:
        """Decide, and keep that."""
        todo = super().handle(event, now)
        self.decided.append((event, todo))
        return todo

    @property
    def requested(self) -> dict[str, actions.Preference | None]:
        """What ExaBGP was last asked for, by VIP."""
        return self._state.requested


class Node:
    """One agent with one service, and its ExaBGP.

    Args:
        settings: the service.
        exabgp: survives this node, if it is a later life of the agent's.
        now: the time to begin at.
        watch: is told of every event that the core took, and of what came out.
        instance: names this life.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        exabgp: ExaBGP,
        now: float = 0.0,
        watch: Watch | None = None,
        instance: str = "this run",
    ) -> None:
        self.now = now
        self.exabgp = exabgp
        self.registered: set[str] = set()
        self.timer: float | None = None
        self.ended = False
        """Whether the agent has nothing more to do."""
        self._watch = watch
        self._store = StoreSettings(settings.node, instance)
        self.core = Core(settings, now)
        self.engine = Engine(self._config(settings), lambda: TIME_OF_DAY, lambda _settings, _now: self.core)
        self.give(inputs.Started())

    @property
    def settings(self) -> ServiceSettings:
        """The configuration in force."""
        return self.core.settings

    @property
    def requested(self) -> dict[str, actions.Preference | None]:
        """What the core last asked for, by VIP."""
        return self.core.requested

    @property
    def core_timer(self) -> float | None:
        """When the core wants to decide again, whatever happens."""
        return min(
            (service.timer for service in self.engine.services.values() if service.timer), default=None
        )

    @property
    def report(self) -> actions.Report:
        """What the node says of itself."""
        assert self.core.report is not None
        return self.core.report

    def give(self, given: Input) -> list[actions.Action]:
        """Give the engine an input, carry out what it asks for, and return what the core decided first."""
        for effect in self.engine.handle(given, self.now):
            self._carry_out(effect)
        decided, self.core.decided = self.core.decided, []
        if self._watch:
            for event, todo in decided:
                self._watch(event, todo, self.now)
        return decided[0][1] if decided else []

    def reconfigure(self, settings: ServiceSettings) -> list[actions.Action]:
        """Give it another configuration."""
        return self.give(inputs.ConfigReloaded(self._config(settings)))

    def bgp(self, *, established: bool) -> None:
        """Bring the BGP session of the node's ExaBGP up, or take it down."""
        self.hear(self.exabgp.session(self.now, established=established))

    def wait(self, seconds: float) -> None:
        """Let time pass, and all happen that falls into it."""
        end = self.now + seconds
        while (at := self.next_at()) <= end:
            self.now = max(self.now, at)
            self.turn()
        self.now = end

    def next_at(self) -> float:
        """Return when something is going to happen here."""
        at = earliest(self.timer, self.exabgp.turn_at)
        return NEVER if at is None else at

    def turn(self) -> None:
        """Do what is due now."""
        if self.exabgp.turn_at is not None and self.now >= self.exabgp.turn_at:
            self.hear(self.exabgp.turn(self.now))
        self.fire()

    def fire(self) -> None:
        """Let the engine's timer fire, if it is due."""
        if self.timer is not None and self.now >= self.timer:
            self.timer = None
            self.give(events.TimerFired())

    def hear(self, lines: list[str]) -> None:
        """Take what ExaBGP says in one go."""
        if lines:
            self.give(inputs.LinesRead(lines))

    def _config(self, settings: ServiceSettings) -> AgentConfig:
        return AgentConfig("modelled", self._store, (ServiceConfig(settings),))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case effects.Write(lines):
                self.exabgp.write(lines, self.now)
            case actions.SetTimer(at):
                self.timer = at
            case effects.End():
                self._end()
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
            case _:
                self._carry_out_in_store(effect)

    def _end(self) -> None:
        self.ended = True

    def _carry_out_in_store(self, effect: effects.ToStore) -> None:
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
