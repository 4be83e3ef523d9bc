"""The agent: I/O around the engine: ExaBGP's pipes, timers, checks and the store (Shape 2)."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import assert_never

from vipagent.agent.inbox import Inbox
from vipagent.agent.tasks import ServiceTasks
from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.core.actions import SetTimer
from vipagent.core.events import AddressesMissing, CheckFinished, TimerFired
from vipagent.engine import effects, inputs
from vipagent.engine.effects import Effect
from vipagent.engine.engine import Engine
from vipagent.engine.inputs import Input
from vipagent.exabgp.pipe import Pipe
from vipagent.exabgp.table import RouteIdentity
from vipagent.store.backend import BackendFactory, Snapshot
from vipagent.store.layout import Directory
from vipagent.telemetry.counters import AgentCounters
from vipagent.telemetry.problems import Fault
from vipagent.telemetry.view import AgentView
from vipagent.types import StoreState

log = logging.getLogger(__name__)

STORE_CLOSE_TIMEOUT = 0.8
"""Timeout in seconds for deregistrations at shutdown (E3)."""
RETRY_AFTER_ERROR = 1.0
"""Delay in seconds until the engine is called again after an internal error (E6)."""


class Agent:
    """One agent.

    Args:
        config: the configuration.
        backend: creates the store's backend for a listener.
        reader: file descriptor of ExaBGP's replies.
        writer: file descriptor of our commands.
        earlier: the identities of the routes recorded by earlier runs; None without a record.
    """

    def __init__(
        self,
        config: AgentConfig,
        backend: BackendFactory,
        reader: int,
        writer: int,
        earlier: frozenset[RouteIdentity] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._engine = Engine(config, earlier=earlier)
        self._pipe = Pipe(
            reader, writer, on_lines=self._on_lines, on_drained=self._on_room, on_eof=self._on_eof
        )
        self._backend = backend(config.store, Inbox(self._loop, self._on_session, self._on_snapshot))
        self._tasks: dict[str, ServiceTasks] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[Input] = deque()
        self._dispatching = False
        self._ended = asyncio.Event()
        self.follow_neighbors: Callable[[frozenset[str]], None] = lambda _peers: None
        """Called with the neighbours whose interfaces to follow; report to `network_changed`."""
        self.save_routes: Callable[[frozenset[RouteIdentity]], None] = lambda _identities: None
        """Called with the identities of all routes that ExaBGP may still announce for this agent."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when `view` has changed because of the store, its session or the node's record."""

    @property
    def view(self) -> AgentView:
        """The current view of the agent."""
        return self._engine.view

    @property
    def counters(self) -> AgentCounters:
        """The agent's counters."""
        return self._engine.counters

    async def run(self) -> None:
        """Run until ExaBGP exits or `stop` is called; then deregister, withdraw, and return.

        The caller must then call `close`.
        """
        self._pipe.open()
        self._dispatch(inputs.Started())
        self._backend.open()
        await self._ended.wait()

    def close(self) -> None:
        """Close the store session and ExaBGP's pipes; takes at most `STORE_CLOSE_TIMEOUT` seconds."""
        self._backend.close(STORE_CLOSE_TIMEOUT)
        self._pipe.close()
        self._set_timer(None)

    def stop(self) -> None:
        """Request that `run` returns."""
        self._dispatch(inputs.ShutdownRequested())

    async def wait_flushed(self, within: float) -> bool:
        """Wait at most `within` seconds until ExaBGP has read all commands; return whether it has."""
        deadline = self._loop.time() + within
        while not self._engine.flushed and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return self._engine.flushed

    def addresses_missing(self, vips: Mapping[str, str]) -> None:
        """Set the VIPs that are missing on the loopback interface, with the error; they are not announced."""
        self._dispatch(AddressesMissing(vips))

    def network_changed(self, change: inputs.FromNetwork) -> None:
        """Pass on a change of the interfaces or addresses of this node."""
        self._dispatch(change)

    def set_fault(self, fault: Fault, detail: str | None) -> None:
        """Show a fault of the process with details; None: it is gone."""
        self._dispatch(inputs.FaultChanged(fault, detail))

    def check(self, config: AgentConfig) -> None:
        """Reject changes that `reconfigure` does not support.

        Raises:
            ValueError: a change requires a restart of the agent.
        """
        self._engine.check(config)

    def reconfigure(self, config: AgentConfig) -> None:
        """Apply a configuration that passed `check`, without changing unaffected routes (E3)."""
        self._dispatch(inputs.ConfigReloaded(config))

    def _on_lines(self, lines: list[str]) -> None:
        self._dispatch(inputs.LinesRead(lines))

    def _on_room(self) -> None:
        self._dispatch(inputs.PipeCongested(congested=False))

    def _on_eof(self) -> None:
        self._dispatch(inputs.PipeEnded())

    def _on_session(self, state: StoreState, detail: str) -> None:
        self._dispatch(inputs.StoreSession(state, detail))

    def _on_snapshot(self, directory: Directory, entries: Snapshot) -> None:
        self._dispatch(inputs.SnapshotRead(directory, entries))

    def _on_checked(self, service: str, result: CheckFinished) -> None:
        self._dispatch(inputs.CheckRan(service, result))

    def _on_timer(self, at: float) -> None:
        self._timer = None
        self._pipe.read_available()  # after a pause, process pending replies first (N2)
        self._dispatch(TimerFired(), at)

    def _dispatch(self, given: Input, at: float = 0.0) -> None:
        """Pass an input to the engine, and execute its effects; inputs in the meantime are queued.

        Args:
            given: the input.
            at: minimum time of the input, because the loop may be early by the clock's resolution.
        """
        self._waiting.append(given)
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._waiting:
                self._handle(self._waiting.popleft(), max(at, self._loop.time()))
        finally:
            self._dispatching = False

    def _handle(self, given: Input, now: float) -> None:
        try:
            for effect in self._engine.handle(given, now):
                self._execute(effect)
        except Exception:  # a bug must not end the agent, which serves all services (E6)
            log.exception("internal error")
            self._set_timer(self._loop.time() + RETRY_AFTER_ERROR)

    def _execute(self, effect: Effect) -> None:
        match effect:
            case effects.Write(lines):
                self._pipe.write(lines)
                if self._pipe.congested:
                    self._waiting.append(inputs.PipeCongested(congested=True))
            case (
                effects.Log()
                | effects.ViewChanged()
                | SetTimer()
                | effects.FollowNeighbors()
                | effects.SaveRoutes()
                | effects.End()
            ):
                self._execute_locally(effect)
            case _:
                try:
                    self._execute_for_service(effect)
                except Exception:  # an error of one service must not affect the others (E6)
                    name = effects.service_of(effect)
                    log.exception("internal error", extra={"fields": {"service": name}})
                    if service := self._engine.services.get(name):
                        service.counters.internal_errors += 1

    def _execute_for_service(self, effect: effects.ToStore | effects.ToService) -> None:
        match effect:
            case effects.StartService(config):
                self._start(config)
            case effects.StopService(service):
                self._tasks.pop(service).stop()
            case effects.RunServiceHook(service, state):
                self._tasks[service].run_hook(state)
            case _:
                self._execute_in_store(effect)

    def _execute_in_store(self, effect: effects.ToStore) -> None:
        match effect:
            case effects.RegisterEntry(key, value):
                self._backend.register(key, value)
            case effects.DeregisterEntry(key):
                self._backend.deregister(key)
            case effects.PublishRecord(key, record):
                self._backend.register(key, record.dump())
                self.on_change()  # the store, which would report the change, may be away
            case effects.Watch(directory, values):
                self._backend.watch(directory, values)
            case effects.Unwatch(directory):
                self._backend.unwatch(directory)
            case _:
                assert_never(effect)

    def _execute_locally(self, effect: effects.ToShell) -> None:
        match effect:
            case effects.Log():
                _log(effect)
            case effects.ViewChanged():
                self.on_change()
            case SetTimer(at):
                self._set_timer(at)
            case effects.FollowNeighbors(peers):
                self.follow_neighbors(peers)
            case effects.SaveRoutes(identities):
                self.save_routes(identities)
            case effects.End():
                self._ended.set()
            case _:
                assert_never(effect)

    def _start(self, config: ServiceConfig) -> None:
        name = config.name
        if name in self._tasks:
            self._tasks[name].reconfigure(config)
        else:
            service = self._engine.services[name]
            self._tasks[name] = ServiceTasks(
                config, partial(self._on_checked, name), lambda: service.check_changing
            )

    def _set_timer(self, at: float | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_at(at, self._on_timer, at)


def _log(line: effects.Log) -> None:
    log.log(line.level, line.message, extra={"fields": line.fields}, exc_info=line.raised)
