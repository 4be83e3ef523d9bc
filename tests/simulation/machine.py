"""Simulated load balancer: power, ExaBGP, agent, and the faults of each."""

from collections import deque

from tests.simulation.agent import Agent
from tests.simulation.clock import ScheduledCall
from tests.simulation.environment import Environment
from tests.simulation.exabgp import FOREIGN_ROUTE, ExaBGP, ExaBGPSettings
from tests.simulation.impairments import Impairment, Impairments
from tests.simulation.local_check import LocalCheck
from tests.simulation.neighbor import Neighbor
from tests.simulation.node import NEVER, ROUTES
from tests.simulation.sessions import Sessions
from vipagent.agent.route_record import MAX_RUNS
from vipagent.core.events import CheckFinished
from vipagent.core.settings import ServiceSettings
from vipagent.engine import inputs
from vipagent.exabgp.route import RouteSettings
from vipagent.exabgp.table import RouteIdentity
from vipagent.store.backend import Identity
from vipagent.types import CheckResult

RESPAWN_DELAY = 0.04
"""Seconds until ExaBGP restarts an agent that has exited."""
MAX_RESPAWNS, RESPAWN_WINDOW = 5, 64.0
"""Number of agent exits, and seconds; ExaBGP exits when its agent exits more often within that time."""
RESTART_DELAY = 3.0
"""Seconds until the init system restarts ExaBGP."""
WATCHDOG_TIMEOUT = 10.0
"""Seconds of a pause after which the agent may exit when it resumes (E7)."""
MIN_LATENCY = 0.0005
"""Minimum latency in seconds of a message to or from the store."""


class Machine:
    """One load balancer.

    Args:
        settings: the settings of its service.
        exabgp_settings: the version and configuration of its ExaBGP.
        environment: the objects shared by all machines.
    """

    def __init__(
        self, settings: ServiceSettings, exabgp_settings: ExaBGPSettings, environment: Environment
    ) -> None:
        self.settings = settings
        self.routes = ROUTES
        self.configured_at = 0.0
        """When the configuration was changed last."""
        self.exabgp_started_at = 0.0
        self.exabgp_settings = exabgp_settings
        self.exabgp: ExaBGP | None = None
        self.agent: Agent | None = None
        self.power_faults = 0
        """Number of active faults that keep power or ExaBGP off."""
        self.store_faults = 0
        """Number of active faults that make the store unreachable, including outages of the store."""
        self.extra_latency = 0.0
        """Maximum additional latency in seconds of messages from the store."""
        self._environment = environment
        self._clock = environment.clock
        self._agent_runs = 0
        self._saved: frozenset[RouteIdentity] | None = None
        """The routes recorded on the machine's disk."""
        self._exits: deque[float] = deque(maxlen=MAX_RESPAWNS)
        self._scheduled: ScheduledCall | None = None
        missing = [Impairment.EXABGP, Impairment.AGENT, Impairment.BGP]
        missing += [Impairment.GATE] if settings.require_bgp else []
        self.impairments = Impairments(self._clock.now, *missing)
        self.check = LocalCheck(settings, self._clock, self.impairments, self._deliver_check)
        self.sessions = Sessions(
            settings.require_bgp,
            environment,
            self.impairments,
            deliver=self.deliver_lines,
            on_links=self._links_changed,
            log=self._log,
        )

    @property
    def name(self) -> str:
        """The node's name."""
        return self.settings.node

    @property
    def neighbors(self) -> list[Neighbor]:
        """The neighbours of its ExaBGP; none if it is not running."""
        return self.exabgp.neighbors if self.exabgp else []

    def serves(self, prefix: str) -> bool:
        """Return whether the network can reach this machine by a route."""
        return any(
            route.partition(" ")[0] == prefix
            for neighbor in self.neighbors
            for route in neighbor.reachable_routes
        )

    def start_exabgp(self) -> None:
        """Start ExaBGP and the agent, unless a fault prevents it."""
        if self.power_faults or self.exabgp:
            return
        settings = self.exabgp_settings
        self.exabgp = ExaBGP(
            settings.dialect,
            settings.neighbors,
            established=False,
            delay=self._environment.timing.exabgp_delay,
        )
        if settings.foreign_route:
            for neighbor in self.exabgp.neighbors:
                neighbor.leave(FOREIGN_ROUTE, "next-hop self med 7")
        self.exabgp_started_at = self._clock.now
        self.impairments.clear(Impairment.EXABGP, self._clock.now)
        self._log("ExaBGP starts")
        self._start_agent(self.exabgp)
        self.sessions.start(self.exabgp)

    def terminate_exabgp(self, *, agent_dies: bool) -> None:
        """Terminate ExaBGP, which removes its routes.

        Args:
            agent_dies: whether the agent is killed, too; otherwise it detects EOF and exits regularly (E3).
        """
        if self.exabgp is None:
            return
        self._log("power cut" if agent_dies else "ExaBGP exits")
        self.exabgp = None
        for reason in (Impairment.EXABGP_PAUSED, Impairment.EXABGP_SILENT, Impairment.REFUSED):
            self.impairments.clear(reason, self._clock.now)
        self.impairments.add(Impairment.EXABGP, self._clock.now)
        self.sessions.end()
        self._environment.observer.routes_changed()
        if self.agent and not agent_dies and not self.agent.paused:
            self.agent.handle_now(inputs.PipeEnded())
        self._remove_agent()

    def configure(self, settings: ServiceSettings, routes: RouteSettings) -> None:
        """Change the configuration that the next agent will read."""
        self.settings, self.routes, self.configured_at = settings, routes, self._clock.now

    def kill_agent(self) -> None:
        """Kill the agent (SIGKILL). ExaBGP keeps its routes and restarts the agent."""
        if self.exabgp is None or self.agent is None:
            return
        self._log("the agent is killed")
        self.respawn(self.exabgp)

    def respawn(self, exabgp: ExaBGP) -> None:
        """Remove the agent. ExaBGP restarts it, or exits after too many restarts."""
        now = self._clock.now
        self._remove_agent()
        if len(self._exits) == MAX_RESPAWNS and now < self._exits[0] + RESPAWN_WINDOW:
            self._exits.clear()
            self.terminate_exabgp(agent_dies=True)
            self._clock.after(RESTART_DELAY, self.start_exabgp)
            return
        self._exits.append(now)
        self._clock.after(RESPAWN_DELAY, lambda: self._start_agent(exabgp))

    def pause_agent(self) -> Agent | None:
        """Pause the agent (SIGSTOP); return it, or None if it is not running."""
        if self.agent is None or self.agent.paused:
            return None
        self._log("the agent is paused")
        self.impairments.add(Impairment.AGENT_PAUSED, self._clock.now)
        self.agent.pause()
        self.schedule()
        return self.agent

    def resume_agent(self, agent: Agent, paused_for: float) -> None:
        """Resume the agent (SIGCONT); after a long pause, its watchdog may terminate it."""
        if self.agent is not agent:
            return
        self.impairments.clear(Impairment.AGENT_PAUSED, self._clock.now)
        if paused_for > WATCHDOG_TIMEOUT and self._environment.rng.random() < 0.5:
            self.kill_agent()
            return
        self._log("the agent resumes")
        agent.resume()
        self.sessions.agent_started()
        self.check.schedule()

    def pause_exabgp(self) -> ExaBGP | None:
        """Pause ExaBGP (SIGSTOP); return it, or None if it cannot be paused.

        Only with acknowledgements: without them, the agent cannot detect the pause, and the commands written
        meanwhile are sent in one flush, possibly in the wrong order, which only the periodic resend repairs
        (`vipagent.exabgp.commands.RESEND_INTERVAL`).
        """
        exabgp = self.exabgp
        if exabgp is None or exabgp.paused or not exabgp.acks:
            return None
        self._log("ExaBGP is paused")
        exabgp.pause()
        self.impairments.add(Impairment.EXABGP_PAUSED, self._clock.now)
        self.sessions.pause(exabgp)
        return exabgp

    def resume_exabgp(self, exabgp: ExaBGP) -> None:
        """Resume ExaBGP (SIGCONT)."""
        if self.exabgp is not exabgp:
            return
        self._log("ExaBGP resumes")
        exabgp.resume(self._clock.now)
        self._start_agent(exabgp)
        self.impairments.clear(Impairment.EXABGP_PAUSED, self._clock.now)
        self.sessions.resume(exabgp)
        self.schedule()

    def latency(self) -> float:
        """Return the random latency of a message to or from the store, in seconds."""
        random, max_latency = self._environment.rng.random, self._environment.timing.latency
        return MIN_LATENCY + (max_latency - MIN_LATENCY) * random() + self.extra_latency * random()

    def schedule(self) -> None:
        """Schedule the agent's next event."""
        if self.agent is None:
            return
        at, scheduled = self.agent.next_event_at(), self._scheduled
        if scheduled is None or at < scheduled.at:
            if scheduled:
                scheduled.cancel()
            self._scheduled = None if at == NEVER else self._clock.at(at, self._run_agent)

    def _run_agent(self) -> None:
        self._scheduled = None
        agent = self.agent
        if agent is None:
            return
        if agent.next_event_at() <= self._clock.now:
            before = agent.exabgp.wire_changes
            agent.run_due()
            if agent.exabgp.wire_changes != before:
                self._environment.observer.routes_changed()
        self.schedule()

    def _start_agent(self, exabgp: ExaBGP) -> None:
        if self.exabgp is not exabgp or self.agent is not None or exabgp.paused:
            return
        self._agent_runs += 1
        self._log(f"the agent starts, run {self._agent_runs}")
        self.impairments.clear(Impairment.AGENT, self._clock.now)
        runs = [f"{self.name}, run {run}" for run in range(1, self._agent_runs + 1)][-1 - MAX_RUNS :]
        self.agent = Agent(
            self.settings,
            exabgp,
            self._environment,
            run=Identity(self.settings.node, runs[-1], earlier=tuple(runs[:-1])),
            latency=self.latency,
            impairments=self.impairments,
            on_reschedule=self.schedule,
            on_exit=self._on_agent_exit,
            links_down=lambda: self.sessions.links_down,
            routes=self.routes,
            earlier=self._saved,
        )
        self.schedule()
        self.agent.client.open(cut=self.store_faults > 0)
        self.sessions.agent_started()
        self.check.restart()

    def _on_agent_exit(self, agent: Agent) -> None:
        """Close the session of an agent that has exited; ExaBGP, if running, restarts it."""
        agent.client.close()
        if self.exabgp is agent.exabgp:
            self.respawn(agent.exabgp)

    def _remove_agent(self) -> None:
        """Remove the agent and the lines that ExaBGP has not read yet."""
        if self.agent:
            self.agent.gone = True
            self._saved = self.agent.saved
            self.agent.client.kill()
            self.agent.exabgp.pipe, self.agent.exabgp.process_at = [], None
        self.agent = None
        self.impairments.add(Impairment.AGENT, self._clock.now)
        self.impairments.clear(Impairment.AGENT_PAUSED, self._clock.now)

    def deliver_lines(self, lines: list[str]) -> None:
        """Deliver ExaBGP's output to the agent."""
        if self.agent:
            self.agent.now = self._clock.now
            self.agent.receive_lines(lines)
            self.schedule()

    def _links_changed(self) -> None:
        if self.agent:
            self.agent.links_changed()

    def _deliver_check(self, result: CheckResult) -> bool:
        if self.agent is None or self.agent.paused:
            return False
        self.agent.handle_now(inputs.CheckRan(self.settings.name, CheckFinished(result)))
        return True

    def _log(self, what: str) -> None:
        self._environment.observer.log(self.name, what)
