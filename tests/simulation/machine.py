"""One load balancer: its power, its ExaBGP, its agent, and all that can befall them."""

from collections import deque

from tests.simulation.agent import Agent
from tests.simulation.clock import Alarm
from tests.simulation.exabgp import ExaBGP
from tests.simulation.health import Check
from tests.simulation.hindrances import Hindrance, Hindrances
from tests.simulation.node import NEVER
from tests.simulation.surroundings import Surroundings
from vipagent.core.events import CheckFinished
from vipagent.core.settings import ServiceSettings
from vipagent.engine import inputs
from vipagent.types import CheckResult

RESPAWN = 0.04
"""Seconds until ExaBGP starts a dead agent anew."""
DEATHS, DEATHS_WINDOW = 5, 64.0
"""ExaBGP ends itself when its agent dies more often than that in so many seconds."""
RESTART = 3.0
"""Seconds until the init system starts ExaBGP again."""
SESSION_UP = 2.0
"""Seconds at most until a BGP session is established, once it can be."""
HOLD = 9.0
"""Seconds after which a neighbour gives up an ExaBGP that says nothing."""
WATCHDOG = 10.0
"""Seconds of standing still after which an agent may end itself when it runs again (E7)."""
SHORTEST_HOP = 0.0005
"""Seconds that a message to or from the store takes at least."""
LEFT_OVER = 40.0
"""Seconds in which a route that was refused is asked for again."""


class Machine:
    """One load balancer.

    Args:
        settings: its service.
        around: what it shares with the others.
    """

    def __init__(self, settings: ServiceSettings, around: Surroundings) -> None:
        self.settings = settings
        self.exabgp: ExaBGP | None = None
        self.agent: Agent | None = None
        self.off = 0
        """How many faults keep it without power or ExaBGP."""
        self.cuts = 0
        """How many faults keep it from the store, the store's own included."""
        self.unplugged = 0
        """How many faults keep it from its BGP neighbour."""
        self.late = 0.0
        """Seconds by which the store's messages are late at most."""
        self._around = around
        self._clock = around.clock
        self._lives = 0
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._alarm: Alarm | None = None
        missing = (Hindrance.EXABGP, Hindrance.AGENT, Hindrance.BGP)
        self.hindrances = Hindrances(self._clock.now, *missing)
        self.check = Check(settings, self._clock, self.hindrances, self._checked)

    @property
    def name(self) -> str:
        """The node's name."""
        return self.settings.node

    @property
    def wire(self) -> dict[str, str]:
        """The attributes of the routes that its neighbour has, by prefix."""
        return self.exabgp.wire if self.exabgp else {}

    def start_exabgp(self) -> None:
        """Start ExaBGP, and with it the agent, unless something is in the way."""
        if self.off or self.exabgp:
            return
        pace = self._around.pace
        self.exabgp = ExaBGP(acks=pace.acks, delay=pace.exabgp, established=False)
        self.hindrances.clear(Hindrance.EXABGP, self._clock.now)
        self._note("ExaBGP starts")
        self._start_agent(self.exabgp)
        self.connect_soon()

    def lose_exabgp(self, *, agent_dies: bool) -> None:
        """End ExaBGP and all its routes.

        Args:
            agent_dies: at the same stroke; else it notices the end of its pipe, and ends well (E3).
        """
        if self.exabgp is None:
            return
        self._note("no power" if agent_dies else "ExaBGP ends")
        self.exabgp = None
        for reason in (Hindrance.STALLED, Hindrance.REFUSED):
            self.hindrances.clear(reason, self._clock.now)
        self.hindrances.add(Hindrance.EXABGP, self._clock.now)
        self.hindrances.add(Hindrance.BGP, self._clock.now)
        self._around.witness.rewired()
        if self.agent and not agent_dies and not self.agent.stopped:
            self.agent.take(inputs.PipeEnded())
        self._lose_agent()

    def kill_agent(self) -> None:
        """`kill -9` the agent: ExaBGP keeps its routes, and starts it anew; but not for ever."""
        if self.exabgp is None or self.agent is None:
            return
        self._note("the agent dies")
        self.respawn(self.exabgp)

    def respawn(self, exabgp: ExaBGP) -> None:
        """Lose the agent; ExaBGP starts another one, unless too many have ended."""
        now = self._clock.now
        self._lose_agent()
        if len(self._deaths) == DEATHS and now < self._deaths[0] + DEATHS_WINDOW:
            self._deaths.clear()
            self.lose_exabgp(agent_dies=True)
            self._clock.after(RESTART, self.start_exabgp)
            return
        self._deaths.append(now)
        self._clock.after(RESPAWN, lambda: self._start_agent(exabgp))

    def stop_agent(self) -> Agent | None:
        """SIGSTOP; returns who is to be continued."""
        if self.agent is None or self.agent.stopped:
            return None
        self._note("the agent stands still")
        self.hindrances.add(Hindrance.PAUSED, self._clock.now)
        self.agent.stop()
        self.arm()
        return self.agent

    def continue_agent(self, agent: Agent, stopped_for: float) -> None:
        """SIGCONT; the agent's watchdog may find that it hung for too long."""
        if self.agent is not agent:
            return
        self.hindrances.clear(Hindrance.PAUSED, self._clock.now)
        if stopped_for > WATCHDOG and self._around.rng.random() < 0.5:
            self.kill_agent()
            return
        self._note("the agent goes on")
        agent.go_on()
        self.check.go_on()

    def stall_exabgp(self) -> ExaBGP | None:
        """SIGSTOP ExaBGP; returns who is to be continued.

        Without replies nobody notices: what piles up meanwhile goes out in one flush, possibly in the wrong
        order, which is repaired only when all is said again (`vipagent.exabgp.speaker.RECONCILE`).
        """
        exabgp = self.exabgp
        if exabgp is None or exabgp.stalled or not exabgp.acks:
            return None
        self._note("ExaBGP stands still")
        exabgp.stall()
        self.hindrances.add(Hindrance.STALLED, self._clock.now)
        self._clock.after(HOLD, lambda: self._hold_time_is_over(exabgp))
        return exabgp

    def continue_exabgp(self, exabgp: ExaBGP) -> None:
        """SIGCONT ExaBGP."""
        if self.exabgp is not exabgp:
            return
        self._note("ExaBGP goes on")
        exabgp.resume(self._clock.now)
        self._start_agent(exabgp)
        self.hindrances.clear(Hindrance.STALLED, self._clock.now)
        self._show_session(established=exabgp.established and Hindrance.BGP not in self.hindrances.reasons)
        self.connect_soon()
        self.arm()

    def refuse(self, prefix: str) -> ExaBGP | None:
        """Let ExaBGP refuse a route; returns who does. Where no replies come, nobody could ever know."""
        if self.exabgp is None or self.exabgp.refused or not self.exabgp.acks:
            return None
        self._note(f"ExaBGP refuses {prefix}")
        self.exabgp.refused.add(prefix)
        self.hindrances.add(Hindrance.REFUSED, self._clock.now)
        return self.exabgp

    def accept(self, exabgp: ExaBGP) -> None:
        """Let ExaBGP take what it refused; it is asked again some time later."""
        exabgp.refused.clear()

        def forgotten() -> None:
            if self.exabgp is exabgp and not exabgp.refused:
                self.hindrances.clear(Hindrance.REFUSED, self._clock.now)

        self._clock.after(LEFT_OVER, forgotten)

    def disconnect(self) -> None:
        """Take the BGP session down."""
        self.hindrances.add(Hindrance.BGP, self._clock.now)
        self._note("the BGP session goes")
        self._show_session(established=False)

    def connect_soon(self) -> None:
        """Bring the BGP session up in a while, if nothing is in the way then."""
        exabgp = self.exabgp

        def connect() -> None:
            up = exabgp is not None and self.exabgp is exabgp and not exabgp.stalled and not self.unplugged
            if up:
                self.hindrances.clear(Hindrance.BGP, self._clock.now)
                self._show_session(established=True)

        self._clock.after(self._around.rng.uniform(0.1, SESSION_UP), connect)

    def hop(self) -> float:
        """Draw how long a message to or from the store takes."""
        random = self._around.rng.random
        return SHORTEST_HOP + (self._around.pace.hop - SHORTEST_HOP) * random() + self.late * random()

    def arm(self) -> None:
        """See to it that what is due next happens."""
        if self.agent is None:
            return
        at = self.agent.next_at()
        if self._alarm is None or at < self._alarm.at:
            if self._alarm:
                self._alarm.cancel()
            self._alarm = None if at == NEVER else self._clock.at(at, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        agent = self.agent
        if agent is None:
            return
        if agent.next_at() <= self._clock.now:
            before = agent.exabgp.wire.copy()
            agent.turn()
            if agent.exabgp.wire != before:
                self._around.witness.rewired()
        self.arm()

    def _start_agent(self, exabgp: ExaBGP) -> None:
        if self.exabgp is not exabgp or self.agent is not None or exabgp.stalled:
            return
        self._lives += 1
        self._note(f"the agent starts, life {self._lives}")
        self.hindrances.clear(Hindrance.AGENT, self._clock.now)
        self.agent = Agent(
            self.settings,
            exabgp,
            self._around,
            instance=f"{self.name}, life {self._lives}",
            hop=self.hop,
            hindrances=self.hindrances,
            woken=self.arm,
            over=self._over,
        )
        self.arm()
        self.agent.client.open(cut=self.cuts > 0)
        self.check.begin()

    def _over(self, agent: Agent) -> None:
        """See an agent end by itself; ExaBGP, if it is there, starts another one."""
        agent.client.close()
        if self.exabgp is agent.exabgp:
            self.respawn(agent.exabgp)

    def _lose_agent(self) -> None:
        """Drop the agent, and what it wrote that ExaBGP has not read."""
        if self.agent:
            self.agent.client.die()
            self.agent.exabgp.pipe, self.agent.exabgp.turn_at = [], None
        self.agent = None
        self.hindrances.add(Hindrance.AGENT, self._clock.now)
        self.hindrances.clear(Hindrance.PAUSED, self._clock.now)

    def _hold_time_is_over(self, exabgp: ExaBGP) -> None:
        if self.exabgp is exabgp and exabgp.stalled:
            self._note("the BGP session goes: hold time")
            exabgp.wire = {}
            self.hindrances.add(Hindrance.BGP, self._clock.now)
            self._around.witness.rewired()

    def _show_session(self, *, established: bool) -> None:
        """Have ExaBGP know, and tell, what has become of the BGP session."""
        exabgp = self.exabgp
        if exabgp is None:
            return
        if exabgp.stalled:
            exabgp.wire = {}
        else:
            said = exabgp.session(self._clock.now, established=established)
            if self.agent and said:
                self.agent.now = self._clock.now
                self.agent.hear(said)
                self.arm()
        self._around.witness.rewired()

    def _checked(self, result: CheckResult) -> bool:
        if self.agent is None or self.agent.stopped:
            return False
        self.agent.take(inputs.CheckRan(self.settings.name, CheckFinished(result)))
        return True

    def _note(self, what: str) -> None:
        self._around.witness.noted(self.name, what)
