"""A node in virtual time: the real core and speaker, coupled as in the agent, and a modelled ExaBGP."""

from collections.abc import Callable
from functools import cache, partial

from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.core.settings import ServiceSettings
from vipagent.exabgp import messages, route
from vipagent.exabgp.neighbors import Neighbors
from vipagent.exabgp.speaker import Outcome, Speaker
from vipagent.testing.simulation.exabgp import ExaBGP

ROUTES = route.RouteSettings()

Watch = Callable[[events.Event, list[actions.Action], float], None]


def prefix(vip: str) -> str:
    """Return a VIP as ExaBGP writes it."""
    return f"{vip}/32"


@cache
def announcement(vip: str, preference: actions.Preference) -> str:
    """Return the command that announces a VIP."""
    return route.announce(ROUTES, vip, preference)


@cache
def withdrawal(vip: str) -> str:
    """Return the command that withdraws a VIP."""
    return route.withdraw(ROUTES, vip)


class Node:
    """One agent with one service, and its ExaBGP.

    Args:
        settings: the service.
        exabgp: survives this node, if it is a later life of the agent's.
        now: the time to begin at.
        watch: is told of every event that the core took, and of what came out.
    """

    def __init__(
        self, settings: ServiceSettings, exabgp: ExaBGP, now: float = 0.0, watch: Watch | None = None
    ) -> None:
        self.now = now
        self.exabgp = exabgp
        self.registered: set[str] = set()
        self.timer: float | None = None
        self._watch = watch
        self._core = Service(settings, now)
        self._speaker = Speaker()
        self._neighbors = Neighbors()
        self._told: list[events.FromExaBGP] = []
        self._pump()

    @property
    def settings(self) -> ServiceSettings:
        """The configuration in force."""
        return self._core.settings

    @property
    def wished(self) -> dict[str, actions.Preference | None]:
        """What the core last asked for, by VIP."""
        return self._core._facts.told

    @property
    def report(self) -> actions.Report:
        """What the node says of itself."""
        assert self._core.report is not None
        return self._core.report

    def feed(self, event: events.Event) -> list[actions.Action]:
        """Hand an event to the core, carry out what it asks for, and return that."""
        todo = self._core.handle(event, self.now)
        for action in todo:
            self._carry_out(action)
        if self._watch:
            self._watch(event, todo, self.now)
        self._pump()
        return todo

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
        times = (self.timer, self._speaker.deadline(), self._neighbors.deadline(), self.exabgp.turn_at)
        return min((at for at in times if at is not None), default=float("inf"))

    def turn(self) -> None:
        """Do what is due now."""
        if self.exabgp.turn_at is not None and self.now >= self.exabgp.turn_at:
            self.hear(self.exabgp.turn(self.now))
        self.fire()
        self._follow(lambda: self._neighbors.overdue(self.now))
        self._pump()

    def fire(self) -> None:
        """Let the core's timer fire, if it is due."""
        if self.timer is not None and self.now >= self.timer:
            self.timer = None
            self.feed(events.TimerFired())
        self._pump()

    def hear(self, lines: list[str]) -> None:
        """Take what ExaBGP says in one go."""
        for line in lines:
            message = messages.parse(line)
            self._follow(partial(self._neighbors.heard, message, self.now))
            if self._neighbors.hung:
                self._speaker.doubt_question(self.now)
            match message:
                case messages.Reply(error):
                    self._settled(self._speaker.replied(error, self.now))
                case messages.Answer():
                    self._speaker.answered(self.now)
        self._pump()

    def _follow(self, step: Callable[[], list[messages.NeighborState]]) -> None:
        before = self._neighbors.established
        for change in step():
            if change.established:
                self._speaker.neighbor_up(self.now)
        if self._neighbors.established != before:
            self._told.append(events.NeighborsChanged(self._neighbors.established))
            if self._neighbors.hung:
                self._speaker.doubt_question(self.now)

    def _settled(self, outcome: Outcome | None) -> None:
        if outcome and outcome.wished and outcome.announced:
            self._told.append((events.RouteRefused if outcome.error else events.RouteAccepted)(outcome.vip))

    def _decide(self) -> None:
        told, self._told = self._told, []
        if told:
            self.feed(told[0] if len(told) == 1 else events.Together(tuple(told)))

    def _pump(self) -> None:
        for outcome in self._speaker.overdue(self.now):
            self._settled(outcome)
        self._decide()
        lines = self._speaker.commands(self.now)
        self.exabgp.write(lines, self.now)
        if messages.SHOW_NEIGHBORS in lines:
            self._neighbors.asked(self.now)

    def _carry_out(self, action: actions.Action) -> None:
        match action:
            case actions.Announce(vip, preference):
                self._speaker.announce(vip, announcement(vip, preference))
            case actions.Withdraw(vip):
                self._speaker.withdraw(vip, withdrawal(vip))
            case actions.Register(vip):
                self.registered.add(vip)
            case actions.Deregister(vip):
                self.registered.discard(vip)
            case actions.SetTimer(at):
                self.timer = at
