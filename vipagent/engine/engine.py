"""The engine: all services, ExaBGP, BGP neighbours and the store of one agent, sans-I/O (Shape 2)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from vipagent.config.settings import AgentConfig
from vipagent.core import events
from vipagent.core.actions import SetTimer
from vipagent.core.service import Service
from vipagent.core.settings import ServiceSettings
from vipagent.core.state import earliest
from vipagent.engine import effects, inputs
from vipagent.engine.context import Context
from vipagent.engine.conversation import Conversation, ConversationEvent, ExaBGPStopping, TableAnswer
from vipagent.engine.effects import Effect, Log
from vipagent.engine.gate import GateChange
from vipagent.engine.history import utc_now
from vipagent.engine.inputs import Input
from vipagent.engine.reporter import rejection
from vipagent.engine.scheduler import Scheduler
from vipagent.engine.service import ServiceRuntime
from vipagent.engine.services import Services
from vipagent.engine.shutdown import ShutdownSequence
from vipagent.engine.view_builder import ViewBuilder
from vipagent.exabgp.results import CommandResult
from vipagent.exabgp.table import RouteIdentity
from vipagent.telemetry.counters import AgentCounters
from vipagent.telemetry.view import AgentView
from vipagent.types import StoreState


class Engine:
    """One agent without its pipes, timers, checks and store.

    Args:
        config: the configuration; its services start with `Started`.
        wall_clock: returns the current time in UTC.
        core: creates the state machine of a service from its settings and the monotonic clock.
        earlier: the identities of the routes recorded by earlier runs; None without a record.
    """

    def __init__(
        self,
        config: AgentConfig,
        wall_clock: Callable[[], datetime] = utc_now,
        core: Callable[[ServiceSettings, float], Service] = Service,
        earlier: frozenset[RouteIdentity] | None = None,
    ) -> None:
        self.counters = AgentCounters()
        self._config = config
        self._exabgp = Conversation()
        self._context = Context(config, self._exabgp.commands, self._exabgp.gate, wall_clock)
        self._shutdown = ShutdownSequence()
        self._views = ViewBuilder(self.counters)
        self._addresses: dict[type[events.FromAddresses], events.FromAddresses] = {}
        """The last event of each kind about the addresses of this node."""
        self._now = 0.0
        self._timer: float | None = None
        self._scheduler = Scheduler()
        self._reports: deque[Iterable[Effect]] = deque()
        """Effects to carry out after all routes have been written."""
        self._services = Services(self._context, core, self._scheduler, self._reports, earlier)

    @property
    def services(self) -> Mapping[str, ServiceRuntime]:
        """The services by name."""
        return self._services.by_name

    @property
    def view(self) -> AgentView:
        """The current view of the agent."""
        gate, ending = self._exabgp.gate, self._shutdown.started
        faults = dict(self._context.faults)
        return self._views.view(self._config, self.services, gate=gate, ending=ending, faults=faults)

    @property
    def flushed(self) -> bool:
        """Whether ExaBGP has processed every command, or has ended."""
        return self._exabgp.flushed

    def check(self, config: AgentConfig) -> None:
        """Check that a new configuration can be applied by `ConfigReloaded`.

        Raises:
            ValueError: it contains a change that requires a restart of the agent.
        """
        if self._shutdown.started:
            raise ValueError("the agent is about to stop")
        before = self._config
        store = replace(config.store, instance=before.store.instance, earlier=before.store.earlier)
        if (config.backend, store) != (before.backend, before.store):
            raise ValueError(
                "the node's name and the store's options change only with a restart of the agent"
            )

    def handle(self, given: Input, now: float) -> Iterator[Effect]:
        """Handle one input; yield the effects to carry out, in order.

        Effects are computed lazily. The iterator must be exhausted before the next call.

        Args:
            given: the input.
            now: the monotonic clock, in seconds.
        """
        self._now = max(self._now, now)
        self._context.publications.advance(self._now)
        if self._shutdown.finished:
            yield from self._report()  # including `End`, if an exception in the agent has interrupted it (E6)
            return
        self._update(given)
        self._scheduler.enqueue_collected()
        if self._shutdown.started and self._shutdown.enter_withdrawing(
            self._now, exabgp_stopping=self._exabgp.is_stopping
        ):
            self._scheduler.enqueue(self.services.values(), events.StopRequested())
        yield from self._decide()
        yield from self._set_timer()

    def _decide(self) -> Iterator[Effect]:
        """Run the services' decisions and yield the effects, routes first (Shape 1).

        Each decision yields its deregistrations (G2), then the lines to ExaBGP, then its registrations (G1).
        Reports (log entries, records, history, hooks) are evaluated after all lines have been written.
        """
        # the final flush writes every pending line, so no announcement may be pending (E3)
        together = self._shutdown.withdrawing
        if self._scheduler.idle:
            yield from self._write()
        else:
            yield from self._scheduler.run(self._now, self._write, self._reports, together=together)
        if together and self._shutdown.finish(self._now, flushed=self.flushed):
            if lines := self._exabgp.unanswered_withdrawals():
                yield effects.Write(lines)
            self._reports.append([effects.End()])
        yield from self._report()

    def _report(self) -> Iterator[Effect]:
        while self._reports:
            yield from self._reports.popleft()
        if self._context.publications.pending:
            yield from self._context.publications.due()

    def _write(self) -> list[Effect]:
        lines = self._exabgp.lines(self._now, final=self._shutdown.withdrawing)
        return [effects.Write(lines)] if lines else []

    def _set_timer(self) -> list[Effect]:
        at = None
        if not self._shutdown.finished:
            at = earliest(
                self._exabgp.deadline(),
                self._scheduler.deadline(),
                self._shutdown.deadline,
                self._context.publications.deadline(),
                self._context.earlier_runs.deadline,
            )
        if at == self._timer:
            return []
        self._timer = at
        return [SetTimer(at)]

    def _update(self, given: Input) -> None:
        match given:
            case inputs.LinesRead() | inputs.PipeEnded() | inputs.PipeCongested():
                self._update_from_exabgp(given)
            case events.TimerFired():
                self._timer = None
                for event in self._exabgp.check_timeouts(self._now):
                    self._on_conversation_event(event)
                self._scheduler.enqueue_timers(self._now)
                self._services.check_earlier_runs(self._now)
            case inputs.StoreSession() | inputs.SnapshotRead():
                self._update_from_store(given)
            case inputs.CheckRan(name, result):
                if name in self.services:
                    self._scheduler.enqueue([self.services[name]], result)
            case events.AddressesMissing() | events.AddressesNotLocal() | inputs.LinksDown():
                self._update_from_network(given)
            case inputs.FaultChanged():
                self._services.set_fault(given)
            case inputs.Started() | inputs.ShutdownRequested() | inputs.ConfigReloaded():
                self._update_from_operator(given)
            case _:
                assert_never(given)

    def _update_from_exabgp(self, given: inputs.FromExaBGP) -> None:
        match given:
            case inputs.LinesRead(lines):
                for line in lines:  # one decision follows for all of them: it costs more than a line (A6)
                    for event in self._exabgp.on_line(line, self._now):
                        self._on_conversation_event(event)
            case inputs.PipeEnded():
                self._reports.append([Log.warning("stdin closed, ExaBGP has exited; shutting down")])
                self._exabgp.ended = True
                self._start_shutdown()
            case inputs.PipeCongested(congested):
                self._exabgp.congested = congested
            case _:
                assert_never(given)

    def _on_conversation_event(self, event: ConversationEvent) -> None:
        match event:
            case CommandResult():
                self._on_outcome(event)
            case GateChange():
                self._on_gate_change(event)
            case TableAnswer():
                self._services.on_table(event, self._now)
                self._exabgp.read_table_at(self._services.leftovers.confirm_at)
            case ExaBGPStopping():
                self._reports.append([Log.warning("ExaBGP is stopping; shutting down")])
                self._start_shutdown()
            case _:
                assert_never(event)

    def _on_gate_change(self, change: GateChange) -> None:
        gate = self._exabgp.gate
        self._reports.append(change.logs)
        if change.peers:
            self._reports.append([effects.FollowNeighbors(gate.peers)])
        self._services.on_gate_change(change)

    def _on_outcome(self, outcome: CommandResult) -> None:
        self.counters.completed(outcome)
        self._services.leftovers.on_result(outcome, self._now)
        if outcome.error:
            self._reports.append([rejection(outcome)])
            if outcome.latency is None and self._exabgp.gate.hung:
                return  # it is not refused: nothing is known of the route until ExaBGP answers again
        self._services.on_outcome(outcome)

    def _update_from_store(self, given: inputs.FromStore) -> None:
        match given:
            case inputs.StoreSession(state, detail):
                level = effects.Level.INFO if state is StoreState.CONNECTED else effects.Level.WARNING
                self._reports.append([Log(level, "store", {"state": state, "detail": detail})])
                self._views.update_session(given)
                self._services.on_session(state, self._now)
            case inputs.SnapshotRead(directory, entries):
                service = self.services.get(directory.service)
                if service is None:
                    return
                if event := service.event_from(directory, entries):
                    self._scheduler.enqueue([service], event)
                self._reports.append(service.log_unknown(directory, entries))
                self._reports.append(self._views.update_snapshot(given))
            case _:
                assert_never(given)

    def _update_from_network(self, given: inputs.FromNetwork) -> None:
        match given:
            case events.AddressesMissing() | events.AddressesNotLocal():
                if given != self._addresses.get(type(given)):
                    self._addresses[type(given)] = given
                    self._scheduler.enqueue(self.services.values(), given)
            case inputs.LinksDown(down, interfaces):
                if change := self._exabgp.links_changed(down, interfaces, self._now):
                    self._on_conversation_event(change)
            case _:
                assert_never(given)

    def _update_from_operator(self, given: inputs.FromOperator) -> None:
        match given:
            case inputs.Started():
                self._exabgp.congested = False
                if not self._shutdown.started:
                    self._services.start(self._config.services, self._known(), self._now)
            case inputs.ShutdownRequested():
                self._start_shutdown()
            case inputs.ConfigReloaded(config):
                self._reconfigure(config)
            case _:
                assert_never(given)

    def _start_shutdown(self) -> None:
        """Start the shutdown; leave first, unless ExaBGP is stopping as well (E3)."""
        if self._shutdown.start(self._now) and not self._exabgp.is_stopping:
            self._scheduler.enqueue(self.services.values(), events.LeaveRequested())

    def _reconfigure(self, config: AgentConfig) -> None:
        """Replace the configuration; unchanged routes are not touched (E3)."""
        if self._shutdown.started:  # since `check`
            return
        before, self._config = self._config, replace(config, store=self._config.store)
        for name in self._services.reconfigure(config.services, self._known(), self._now):
            self._views.remove(name)
        if bool(config.listen) != bool(before.listen):
            self._context.watch_all = config.listen is not None
            self._reports.extend(service.watch() for service in self.services.values())
        self._reports.append([effects.ViewChanged()])

    def _known(self) -> list[events.Event]:
        """Return the events that describe to a new service what is known already."""
        return [events.StoreChanged(self._views.store.state), *self._addresses.values()]
