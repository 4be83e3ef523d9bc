"""The agent: ExaBGP's pipes, one store session, and all the services, on one loop (Shape 2)."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from vipagent.agent.gate import GateWatch
from vipagent.agent.inbox import Inbox
from vipagent.agent.reading import deciding
from vipagent.agent.served import ServedService, World
from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.core import events
from vipagent.core.settings import ServiceSettings
from vipagent.core.words import StoreState
from vipagent.exabgp import messages, route
from vipagent.exabgp.pipe import Pipe
from vipagent.exabgp.speaker import Outcome, Speaker
from vipagent.store.backend import Backend, Snapshot
from vipagent.store.layout import Directory, Kind
from vipagent.telemetry.counters import AgentCounters
from vipagent.telemetry.view import AgentView, Overview, ServiceView

log = logging.getLogger(__name__)

LEAVING = 0.5
"""Seconds that the others get to announce, once all is deregistered, before anything is withdrawn (E3)."""
LAST_WORDS = 0.3
"""Seconds that ExaBGP gets to take the withdrawals at the end (E3)."""
CLOSE_TIMEOUT = 0.8
"""Seconds that the store gets to take the deregistrations at the end (E3)."""


class Agent:
    """One agent.

    Args:
        config: what it is told.
        backend: makes the store's backend for a listener.
        reader: the descriptor of ExaBGP's replies.
        writer: the descriptor of our commands.
    """

    def __init__(self, config: AgentConfig, backend: type[Backend], reader: int, writer: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._speaker = Speaker()
        self._pipe = Pipe(reader, writer, on_lines=self._heard, on_room=self._pump, on_end=self._orphaned)
        self._gate = GateWatch(
            self._loop, self._pipe.read_waiting, self._came_up, self._gate_changed, self._asns_changed
        )
        self._backend = backend(config.store, Inbox(self._loop, self._session, self._snapshot))
        self._world = World(self._loop, self._backend, self._speaker, self._gate, self._pump, self._wanted)
        self._services: dict[str, ServedService] = {}
        self._by_vip: dict[str, ServedService] = {}
        self._told: dict[ServedService, list[events.FromExaBGP]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self._missing: Mapping[str, str] = {}
        self._shutdown = False
        """Whether ExaBGP has said that it ends."""
        self._store = StoreState.LOST
        self._store_detail = "not connected yet"
        self._overview = Overview()
        self.counters = AgentCounters()
        self.on_change: Callable[[], None] = lambda: None
        """Called when `view` has changed by what the store says, or by its session."""

    @property
    def view(self) -> AgentView:
        """What there is to see of the agent now."""
        return AgentView(
            node=self._config.store.node,
            backend=self._config.backend,
            store=self._store,
            store_detail=self._store_detail,
            neighbors=self._gate.established,
            ending=self._ended.is_set(),
            counters=self.counters,
            services=tuple(
                ServiceView(
                    name, served.report, served.counters, self._overview.status(name, served.config.core.pool)
                )
                for name, served in self._services.items()
            ),
        )

    async def run(self) -> None:
        """Serve until ExaBGP is gone or `stop` is called; then deregister, withdraw, and return.

        What is still to do then is `close`.
        """
        self._pipe.open()
        for service in self._config.services:
            self._add(service)
        self._backend.open()
        await self._ended.wait()
        if not self._exabgp_ends:
            for served in self._services.values():
                served.leave()
            # The others announce meanwhile. If all routes go with ExaBGP anyway, they need no time.
            await self._wait_for(lambda: self._exabgp_ends, LEAVING)
        for served in self._services.values():
            served.stop()
        self._pipe.write(self._speaker.last_words(self._loop.time()))
        await self.spoken(LAST_WORDS)  # no longer: ExaBGP may be stopping itself (E3)
        self._pipe.write(self._speaker.unanswered_withdrawals())

    def close(self) -> None:
        """End the store's session and let go of ExaBGP's pipes; it may take `CLOSE_TIMEOUT` seconds."""
        self._backend.close(CLOSE_TIMEOUT)
        self._gate.close()
        self._pipe.close()
        if self._timer:
            self._timer.cancel()

    def stop(self) -> None:
        """Ask `run` to return."""
        self._ended.set()

    async def spoken(self, within: float) -> bool:
        """Wait `within` seconds at most until ExaBGP has taken everything; return whether it has."""
        await self._wait_for(lambda: self._pipe.ended or not self._speaker.busy, within)
        return not self._speaker.busy

    def addresses_missing(self, vips: Mapping[str, str]) -> None:
        """Learn which VIPs cannot be put on the loopback interface, and why: they are not announced."""
        if vips == self._missing:
            return
        self._missing = vips
        for served in self._services.values():
            served.feed(events.AddressesMissing(vips))

    async def _wait_for(self, condition: Callable[[], bool], within: float) -> None:
        """Wait until a condition holds, for so many seconds at most."""
        deadline = self._loop.time() + within
        while not condition() and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    @property
    def _exabgp_ends(self) -> bool:
        return self._shutdown or self._pipe.ended or self._gate.hung

    def check(self, config: AgentConfig) -> None:
        """Refuse what `reconfigure` cannot take.

        Raises:
            ValueError: something changed that needs a restart of the agent.
        """
        if self._ended.is_set():
            raise ValueError("the agent is about to stop")
        store = replace(config.store, instance=self._config.store.instance)
        if (config.backend, store) != (self._config.backend, self._config.store):
            raise ValueError(
                "the node's name and the store's options change only with a restart of the agent"
            )

    def reconfigure(self, config: AgentConfig) -> None:
        """Take another configuration that passed `check`; routes that stay the same are not touched (E3)."""
        if self._ended.is_set():  # since `check`
            return
        before, self._config = self._config, replace(config, store=self._config.store)
        wanted = {service.name: service for service in config.services}
        for name, served in list(self._services.items()):
            if name not in wanted or not route.replaces(wanted[name].routes, served.config.routes):
                self._remove(name)
        for name, service in wanted.items():
            if name not in self._services:
                self._add(service)
            elif service != self._services[name].config:
                self._services[name].reconfigure(service)
        self._by_vip = {vip: served for served in self._services.values() for vip in served.config.core.pool}
        for served in self._services.values():
            served.wish()
            if bool(config.listen) != bool(before.listen):
                served.watch()
        self.on_change()

    def _add(self, service: ServiceConfig) -> None:
        served = self._services[service.name] = ServedService(service, self._world)
        self._by_vip.update(dict.fromkeys(service.core.pool, served))
        served.feed(events.StoreChanged(self._store))
        served.feed(events.NeighborsChanged(self._gate.established))
        served.feed(events.AddressesMissing(self._missing))
        served.start()

    def _remove(self, name: str) -> None:
        self._services.pop(name).stop()
        self._overview.forget(name)

    def _wanted(self, settings: ServiceSettings) -> Mapping[Kind, frozenset[str] | None]:
        """Return what is needed to decide or, where people may look on, all that there is."""
        return deciding(settings) if self._config.listen is None else dict.fromkeys(Kind)

    def _session(self, state: StoreState, detail: str) -> None:
        level = logging.INFO if state is StoreState.CONNECTED else logging.WARNING
        log.log(level, "store", extra={"fields": {"state": state, "detail": detail}})
        self._store, self._store_detail = state, detail
        self.counters.session(state)
        for served in self._services.values():
            served.feed(events.StoreChanged(state))
        self.on_change()

    def _snapshot(self, directory: Directory, entries: Snapshot) -> None:
        served = self._services.get(directory.service)
        if served:
            self._overview.take(directory, entries)
            served.take_snapshot(directory, entries)
            self.on_change()

    def _heard(self, lines: list[str]) -> None:
        """Learn all that one read has brought, then decide: a decision costs more than a line (A6)."""
        for line in lines:
            self._take(line)
        self._pump()

    def _take(self, line: str) -> None:
        message = messages.parse(line)
        self._gate.heard(message)
        if self._gate.hung:  # yet it has said something
            self._speaker.doubt_question(self._loop.time())
        match message:
            case messages.Reply(error):
                outcome = self._speaker.replied(error, self._loop.time())
                if outcome:
                    self._settled(outcome)
            case messages.Answer():
                self._speaker.answered(self._loop.time())
            case messages.Shutdown():
                log.warning("ExaBGP is going to end")
                self._shutdown = True
                self.stop()

    def _came_up(self) -> None:
        self._speaker.neighbor_up(self._loop.time())

    def _gate_changed(self) -> None:
        if self._gate.hung:  # or has it lost the question?
            self._speaker.doubt_question(self._loop.time())
        for served in self._services.values():
            self._tell(served, events.NeighborsChanged(self._gate.established))
        self._loop.call_soon(self._pump)  # once all that is being read is known

    def _asns_changed(self) -> None:
        for served in self._services.values():
            served.follow_asns()

    def _settled(self, outcome: Outcome) -> None:
        self.counters.settled(outcome)
        if outcome.error:
            fields = {"command": outcome.line, "error": outcome.error}
            log.error("command failed, to be tried again", extra={"fields": fields})
        served = self._by_vip.get(outcome.vip)
        if served and outcome.wished and outcome.announced:
            refused = events.RouteRefused(outcome.vip)
            self._tell(served, refused if outcome.error else events.RouteAccepted(outcome.vip))

    def _tell(self, served: ServedService, event: events.FromExaBGP) -> None:
        """Keep for the service what ExaBGP has said, until `_decide`."""
        self._told.setdefault(served, []).append(event)

    def _decide(self) -> None:
        """Let each service decide, once, by all that ExaBGP has said."""
        told, self._told = self._told, {}
        for served, said in told.items():
            served.feed(said[0] if len(said) == 1 else events.Together(tuple(said)))

    def _pump(self) -> None:
        """Write what is to be written, and come back when more will be."""
        now = self._loop.time()
        for outcome in self._speaker.overdue(now):
            self._settled(outcome)
        self._decide()
        if not self._pipe.congested:
            lines = self._speaker.commands(now)
            self._pipe.write(lines)
            if messages.SHOW_NEIGHBORS in lines:
                self._gate.asked()
        if self._timer:
            self._timer.cancel()
        deadline = self._speaker.deadline()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._pump)

    def _orphaned(self) -> None:
        log.warning("ExaBGP is gone: end of file")
        self.stop()
