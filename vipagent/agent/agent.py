"""The agent: the engine's shell on the loop, with ExaBGP's pipes, timers, checks, and the store (Shape 2)."""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import assert_never

from vipagent.agent.tasks import ServiceTasks
from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.core.actions import SetTimer
from vipagent.core.events import AddressesMissing, CheckFinished, TimerFired
from vipagent.engine import effects, inputs
from vipagent.engine.effects import Effect
from vipagent.engine.engine import Engine
from vipagent.engine.inputs import Input
from vipagent.exabgp.pipe import Pipe
from vipagent.store.backend import BackendFactory, Snapshot
from vipagent.store.layout import Directory
from vipagent.telemetry.counters import AgentCounters
from vipagent.telemetry.view import AgentView
from vipagent.types import StoreState

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 0.8
"""Seconds that the store gets to take the deregistrations at the end (E3)."""
AFTER_ERROR = 1.0
"""Seconds after which the engine is asked again what is due, if a bug has kept it from saying so (E6)."""


class Inbox:
    """A `Listener` that hands over on the loop, in order, at most the latest snapshot of each directory.

    Args:
        loop: the agent's loop.
        on_session: called on the loop with the session's state and what there is to say about it.
        on_snapshot: called on the loop with a directory and its entries.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_session: Callable[[StoreState, str], None],
        on_snapshot: Callable[[Directory, Snapshot], None],
    ) -> None:
        self._loop = loop
        self._on_session = on_session
        self._on_snapshot = on_snapshot
        self._lock = threading.Lock()
        self._waiting: deque[tuple[StoreState, str] | tuple[Directory, Snapshot]] = deque()

    def session(self, state: StoreState, detail: str) -> None:
        """Hand over the session's state; called on any thread."""
        with self._lock:
            self._waiting.append((state, detail))
        self._wake()

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Hand over a directory; called on any thread."""
        with self._lock:
            for waiting in [item for item in self._waiting if item[0] == directory]:
                self._waiting.remove(waiting)
            self._waiting.append((directory, entries))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            items, self._waiting = self._waiting, deque()
        for first, second in items:
            if isinstance(first, StoreState) and isinstance(second, str):
                self._on_session(first, second)
            elif isinstance(first, Directory) and not isinstance(second, str):
                self._on_snapshot(first, second)


class Agent:
    """One agent.

    Args:
        config: what it is told.
        backend: makes the store's backend for a listener.
        reader: the descriptor of ExaBGP's replies.
        writer: the descriptor of our commands.
    """

    def __init__(self, config: AgentConfig, backend: BackendFactory, reader: int, writer: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._engine = Engine(config)
        self._pipe = Pipe(reader, writer, on_lines=self._on_lines, on_room=self._on_room, on_end=self._on_eof)
        self._backend = backend(config.store, Inbox(self._loop, self._on_session, self._on_snapshot))
        self._tasks: dict[str, ServiceTasks] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[Input] = deque()
        self._dispatching = False
        self._ended = asyncio.Event()
        self.on_change: Callable[[], None] = lambda: None
        """Called when `view` has changed by what the store says, or by its session."""

    @property
    def view(self) -> AgentView:
        """What there is to see of the agent now."""
        return self._engine.view

    @property
    def counters(self) -> AgentCounters:
        """What is counted of the agent."""
        return self._engine.counters

    async def run(self) -> None:
        """Serve until ExaBGP is gone or `stop` is called; then deregister, withdraw, and return.

        What is still to do then is `close`.
        """
        self._pipe.open()
        self._dispatch(inputs.Started())
        self._backend.open()
        await self._ended.wait()

    def close(self) -> None:
        """End the store's session and let go of ExaBGP's pipes; it may take `CLOSE_TIMEOUT` seconds."""
        self._backend.close(CLOSE_TIMEOUT)
        self._pipe.close()
        self._set_timer(None)

    def stop(self) -> None:
        """Ask `run` to return."""
        self._dispatch(inputs.ShutdownRequested())

    async def wait_flushed(self, within: float) -> bool:
        """Wait `within` seconds at most until ExaBGP has taken everything; return whether it has."""
        deadline = self._loop.time() + within
        while not self._engine.flushed and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return self._engine.flushed

    def addresses_missing(self, vips: Mapping[str, str]) -> None:
        """Stop announcing the VIPs that cannot be added to the loopback interface; the error, by VIP."""
        self._dispatch(AddressesMissing(vips))

    def check(self, config: AgentConfig) -> None:
        """Refuse what `reconfigure` cannot take.

        Raises:
            ValueError: something changed that needs a restart of the agent.
        """
        self._engine.check(config)

    def reconfigure(self, config: AgentConfig) -> None:
        """Take another configuration that passed `check`; routes that stay the same are not touched (E3)."""
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
        self._pipe.read_waiting()  # if we were paused, what was said meanwhile comes first (N2)
        self._dispatch(TimerFired(), at)

    def _dispatch(self, given: Input, at: float = 0.0) -> None:
        """Give an input to the engine, and carry out what follows; one that comes meanwhile waits.

        Args:
            given: what happened.
            at: the time that has come at least: the loop may be early by the clock's resolution.
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
                self._carry_out(effect)
        except Exception:  # no bug ends the agent, and with it the routes of all services (E6)
            log.exception("internal error")
            self._set_timer(self._loop.time() + AFTER_ERROR)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case effects.Write(lines):
                self._pipe.write(lines)
                if self._pipe.congested:
                    self._waiting.append(inputs.PipeCongested(congested=True))
            case effects.Log() | effects.ViewChanged() | SetTimer() | effects.End():
                self._carry_out_here(effect)
            case _:
                try:
                    self._carry_out_for_service(effect)
                except Exception:  # what one service asks for must not keep the others from it (E6)
                    name = effects.service_of(effect)
                    log.exception("internal error", extra={"fields": {"service": name}})
                    if service := self._engine.services.get(name):
                        service.counters.internal_errors += 1

    def _carry_out_for_service(self, effect: effects.ToStore | effects.ToService) -> None:
        match effect:
            case effects.StartService(config):
                self._start(config)
            case effects.StopService(service):
                self._tasks.pop(service).stop()
            case effects.RunServiceHook(service, state):
                self._tasks[service].run_hook(state)
            case _:
                self._carry_out_in_store(effect)

    def _carry_out_in_store(self, effect: effects.ToStore) -> None:
        match effect:
            case effects.RegisterEntry(key, value):
                self._backend.register(key, value)
            case effects.DeregisterEntry(key):
                self._backend.deregister(key)
            case effects.PublishRecord(key, record):
                self._backend.register(key, record.dump())
            case effects.Watch(directory, values):
                self._backend.watch(directory, values)
            case effects.Unwatch(directory):
                self._backend.unwatch(directory)
            case _:
                assert_never(effect)

    def _carry_out_here(self, effect: effects.ToShell) -> None:
        match effect:
            case effects.Log():
                _log(effect)
            case effects.ViewChanged():
                self.on_change()
            case SetTimer(at):
                self._set_timer(at)
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
