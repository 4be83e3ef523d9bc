"""The engine: all services, ExaBGP's conversation, neighbours and the store's wishes, sans-I/O (Shape 2)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.core import events
from vipagent.core.moment import earliest
from vipagent.core.service import Service
from vipagent.core.settings import ServiceSettings
from vipagent.engine import effects, inputs, reload
from vipagent.engine.agenda import Agenda
from vipagent.engine.context import Context
from vipagent.engine.conversation import Conversation, News, ShutdownSaid
from vipagent.engine.effects import Effect, Log
from vipagent.engine.ending import Ending
from vipagent.engine.gate import GateChange
from vipagent.engine.history import utc_now
from vipagent.engine.inputs import Input
from vipagent.engine.service import ServiceRuntime
from vipagent.engine.viewer import Viewer
from vipagent.exabgp.speaker import Outcome
from vipagent.telemetry.counters import AgentCounters
from vipagent.telemetry.view import AgentView
from vipagent.types import StoreState


class Engine:
    """One agent without its pipes, timers, checks and store.

    Args:
        config: what to serve, from `Started` on.
        wall_clock: tells the time of day, in UTC, for people.
        core: makes the core of a service, from its settings and the monotonic clock.
    """

    def __init__(
        self,
        config: AgentConfig,
        wall_clock: Callable[[], datetime] = utc_now,
        core: Callable[[ServiceSettings, float], Service] = Service,
    ) -> None:
        self.counters = AgentCounters()
        self.services: dict[str, ServiceRuntime] = {}
        self._config = config
        self._core = core
        self._exabgp = Conversation()
        self._context = Context(config, self._exabgp.speaker, self._exabgp.gate, wall_clock)
        self._ending = Ending()
        self._viewer = Viewer(self.counters)
        self._by_vip: dict[str, ServiceRuntime] = {}
        self._missing = events.AddressesMissing({})
        self._now = 0.0
        self._timer: float | None = None
        self._agenda = Agenda()
        self._reports: deque[Iterable[Effect]] = deque()
        """What is reported once all routes are written."""

    @property
    def view(self) -> AgentView:
        """What there is to see of the agent now."""
        neighbors, ending = self._exabgp.gate.established, self._ending.begun
        return self._viewer.view(self._config, self.services, neighbors=neighbors, ending=ending)

    @property
    def flushed(self) -> bool:
        """Whether ExaBGP has taken everything, or takes nothing any more."""
        return self._exabgp.flushed

    def check(self, config: AgentConfig) -> None:
        """Refuse what `Configured` cannot take.

        Raises:
            ValueError: something changed that needs a restart of the agent.
        """
        if self._ending.begun:
            raise ValueError("the agent is about to stop")
        reload.check(self._config, config)

    def handle(self, given: Input, now: float) -> Iterator[Effect]:
        """Learn one thing, and yield what has to be done about it, in that order, while it is worked out.

        All of it has to be taken before the next call.

        Args:
            given: what happened.
            now: the monotonic clock, in seconds.
        """
        self._now = max(self._now, now)
        if self._ending.over:
            yield from self._report()  # what an error in the shell has held up, the end itself above all (E6)
            return
        self._learn(given)
        self._agenda.gather()
        if self._ending.begun and self._ending.withdraws(self._now, exabgp_ends=self._exabgp.ends):
            self._agenda.add(self.services.values(), events.StopAsked())
        yield from self._routes_first()
        yield from self._set_timer()

    def _routes_first(self) -> Iterator[Effect]:
        """Let the services decide, and yield what follows: routes first (Shape 1).

        Of each decision the deregistrations come first (G2), then the lines to ExaBGP, then the registrations
        (G1). What is reported (log lines, records, history, hooks) comes when all of them are written, and is
        not even made before.
        """
        together = self._ending.withdrawing  # all that waits is written then: no announcement may wait (E3)
        yield from self._agenda.decide(self._now, self._write, self._reports, together=together)
        if together and self._ending.ends(self._now, flushed=self.flushed):
            if lines := self._exabgp.unanswered_withdrawals():
                yield effects.Write(lines)
            self._reports.append([effects.End()])
        yield from self._report()

    def _report(self) -> Iterator[Effect]:
        while self._reports:
            yield from self._reports.popleft()

    def _write(self) -> list[Effect]:
        lines = self._exabgp.lines(self._now, final=self._ending.withdrawing)
        return [effects.Write(lines)] if lines else []

    def _set_timer(self) -> list[Effect]:
        at = None
        if not self._ending.over:
            at = earliest(self._exabgp.deadline(), self._agenda.deadline(), self._ending.deadline)
        if at == self._timer:
            return []
        self._timer = at
        return [effects.SetTimer(at)]

    def _learn(self, given: Input) -> None:
        match given:
            case inputs.LinesRead() | inputs.PipeEnded() | inputs.PipeCongested():
                self._learn_of_exabgp(given)
            case inputs.StoreSession() | inputs.SnapshotRead():
                self._learn_of_store(given)
            case inputs.CheckRan(name, result):
                if name in self.services:
                    self._agenda.add([self.services[name]], result)
            case inputs.AddressesMissing(vips):
                if vips != self._missing.vips:
                    self._missing = events.AddressesMissing(vips)
                    self._agenda.add(self.services.values(), self._missing)
            case inputs.TimerFired():
                self._timer = None
                for news in (*self._exabgp.judge(self._now), *self._exabgp.overdue(self._now)):
                    self._take_news(news)
                self._agenda.add_timers(self._now)
            case inputs.Started() | inputs.StopAsked() | inputs.Configured():
                self._obey(given)
            case _:
                assert_never(given)

    def _learn_of_exabgp(self, given: inputs.FromExaBGP) -> None:
        match given:
            case inputs.LinesRead(lines):  # all that it brings, then decide: that costs more than a line (A6)
                for line in lines:
                    for news in self._exabgp.hear(line, self._now):
                        self._take_news(news)
            case inputs.PipeEnded():
                self._reports.append([Log.warning("ExaBGP is gone: end of file")])
                self._exabgp.ended = True
                self._stop()
            case inputs.PipeCongested(congested):
                self._exabgp.congested = congested
            case _:
                assert_never(given)

    def _take_news(self, news: News) -> None:
        match news:
            case Outcome():
                self._settled(news)
            case GateChange():
                self._reports.append(news.logs)
                for service in self.services.values():
                    if news.counted:
                        self._agenda.tell(service, events.NeighborsChanged(self._exabgp.gate.established))
                    if news.asns and self._find_loops(service):
                        self._agenda.reannounce([service])
                        self._reports.append(service.republish())
            case ShutdownSaid():
                self._reports.append([Log.warning("ExaBGP is going to end")])
                self._stop()
            case _:
                assert_never(news)

    def _settled(self, outcome: Outcome) -> None:
        self.counters.settled(outcome)
        if outcome.error:
            fields = {"command": outcome.line, "error": outcome.error}
            self._reports.append([Log.error("command failed, to be tried again", **fields)])
        service = self._by_vip.get(outcome.vip)
        if service and outcome.wished and outcome.announced:
            kind = events.RouteRefused if outcome.error else events.RouteAccepted
            self._agenda.tell(service, kind(outcome.vip))

    def _learn_of_store(self, given: inputs.FromStore) -> None:
        match given:
            case inputs.StoreSession(state, detail):
                level = effects.Level.INFO if state is StoreState.CONNECTED else effects.Level.WARNING
                self._reports.append([Log(level, "store", {"state": state, "detail": detail})])
                self._viewer.take_session(given)
                self._agenda.add(self.services.values(), events.StoreChanged(state))
                self._reports.append([effects.ViewChanged()])
            case inputs.SnapshotRead(directory, entries):
                service = self.services.get(directory.service)
                if service is None:
                    return
                if event := service.event_of(directory, entries):
                    self._agenda.add([service], event)
                self._reports.append(service.note_unknown(directory, entries))
                self._reports.append(self._viewer.take_snapshot(given))
            case _:
                assert_never(given)

    def _obey(self, given: inputs.FromOperator) -> None:
        match given:
            case inputs.Started():
                self._exabgp.congested = False
                for service in () if self._ending.begun else self._config.services:
                    self._add(service)
            case inputs.StopAsked():
                self._stop()
            case inputs.Configured(config):
                self._reconfigure(config)
            case _:
                assert_never(given)

    def _stop(self) -> None:
        """Begin to end; the others announce meanwhile, unless all routes go with ExaBGP anyway (E3)."""
        if self._ending.begin(self._now) and not self._exabgp.ends:
            self._agenda.add(self.services.values(), events.LeaveAsked())

    def _reconfigure(self, config: AgentConfig) -> None:
        """Replace the configuration; routes that stay the same are not touched (E3)."""
        if self._ending.begun:  # since `check`
            return
        before, self._config = self._config, replace(config, store=self._config.store)
        wanted = {service.name: service for service in config.services}
        for name in list(reload.removed(self.services, wanted)):
            self._remove(name)
        for name, service_config in wanted.items():
            if name not in self.services:
                self._add(service_config)
            elif service_config != self.services[name].config:
                self._change(self.services[name], service_config)
        self._by_vip = {
            vip: service for service in self.services.values() for vip in service.config.core.pool
        }
        self._agenda.reannounce(self.services.values())
        if bool(config.listen) != bool(before.listen):
            self._context.watches_all = config.listen is not None
            self._reports.extend(service.watch() for service in self.services.values())
        self._reports.append([effects.ViewChanged()])

    def _add(self, config: ServiceConfig) -> None:
        service = ServiceRuntime(config, self._context, self._core(config.core, self._now))
        self.services[config.name] = service
        self._by_vip.update(dict.fromkeys(config.core.pool, service))
        self._find_loops(service)
        self._agenda.add([service], events.StoreChanged(self._viewer.store.state))
        if self._exabgp.gate.established is not None:
            self._agenda.add([service], events.NeighborsChanged(self._exabgp.gate.established))
        if self._missing.vips:
            self._agenda.add([service], self._missing)

    def _change(self, service: ServiceRuntime, config: ServiceConfig) -> None:
        before = service.config
        service.reconfigure(config)
        self._find_loops(service)
        if config.core != before.core:
            self._agenda.add([service], events.Reconfigured(config.core))
            self._reports.append(service.watch())
        self._reports.append([effects.StartService(config)])

    def _remove(self, name: str) -> None:
        self._agenda.add([self.services.pop(name)], events.StopAsked())
        self._viewer.forget(name)

    def _find_loops(self, service: ServiceRuntime) -> bool:
        """Find the neighbours that `prepend` is a loop for; return whether they are others now (N10)."""
        logs = service.find_loops()
        if logs is not None:
            self._reports.append(logs)
        return logs is not None
