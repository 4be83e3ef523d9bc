"""`vipagent run`: from the command line to a running agent (E3, E6, E7)."""

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import sys
import uuid
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from pathlib import Path

from vipagent.agent import addresses, logs
from vipagent.agent.agent import Agent
from vipagent.agent.config_watcher import ConfigWatcher
from vipagent.agent.parent import run_by_exabgp
from vipagent.agent.state import RouteFile, location
from vipagent.agent.status_server import StatusServer
from vipagent.agent.waiting import wait_for_valid_config
from vipagent.agent.watchdog import Watchdog
from vipagent.config.problems import ConfigError, describe, first_problem
from vipagent.config.settings import AgentConfig, LogSettings
from vipagent.engine.leftovers import configured
from vipagent.exabgp.pipe import detach_stdio
from vipagent.network.watcher import NetworkWatcher
from vipagent.store.backend import BackendFactory
from vipagent.store.plugins import load as load_backend
from vipagent.telemetry.problems import Fault

log = logging.getLogger(__name__)

Load = Callable[[], Awaitable[AgentConfig]]
"""Loads the configuration; raises `ConfigError`."""

UMASK = 0o022
"""ExaBGP runs its processes with umask 0137, which creates directories without search permission."""
SHUTDOWN_TIMEOUT = 1.0
"""Timeout in seconds, after the withdrawals, to close the store session and to remove addresses (E3)."""
FLUSH_TIMEOUT = 30.0
"""Timeout in seconds for ExaBGP to read the withdrawals of a reload; after it, the addresses are kept."""


def run(load: Load, source: Path | None) -> None:
    """Run the agent until ExaBGP exits.

    Args:
        load: loads the configuration.
        source: the configuration file, if any.

    Raises:
        SystemExit: with status 2 for an invalid configuration; under ExaBGP, wait for a valid one instead.
    """
    os.umask(UMASK)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if it were ignored, every check's exit status would be 0
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing to reload yet
    faulthandler.enable()
    logs.configure(LogSettings())
    if not run_by_exabgp():
        _validate_or_exit(load)
    reader, writer = detach_stdio()
    with contextlib.suppress(asyncio.CancelledError):  # stopped before the agent was started
        asyncio.run(_run(load, source, reader, writer))


def _validate_or_exit(load: Load) -> None:
    try:
        asyncio.run(_load_backend(load))
    except ConfigError as error:
        print(describe(error.problems), file=sys.stderr)
        sys.exit(2)


async def _load_backend(load: Load) -> tuple[AgentConfig, BackendFactory]:
    config = await load()
    instance = replace(config.store, instance=uuid.uuid4().hex)
    return replace(config, store=instance), load_backend(config.backend)


async def _run(load: Load, source: Path | None, reader: int, writer: int) -> None:
    loop, changes = asyncio.get_running_loop(), ConfigWatcher(source)

    def stop() -> None:
        life.cancel()

    loop.add_signal_handler(signal.SIGHUP, changes.reload_requested.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    life = loop.create_task(_main(load, changes, reader, writer, stop))
    await life


async def _main(
    load: Load, changes: ConfigWatcher, reader: int, writer: int, stop: Callable[[], None]
) -> None:
    config, backend = await _start(load, changes, reader, writer, stop)
    logs.configure(config.log)
    routes = RouteFile.of(config, changes.source)
    announced = routes.start(configured(config.services))
    config = replace(config, store=replace(config.store, earlier=routes.earlier_runs))
    agent = Agent(config, backend, reader, writer, announced)
    agent.save_routes = routes.save
    await _Runtime(agent, load, changes, routes).run(config)


async def _start(
    load: Load, changes: ConfigWatcher, reader: int, writer: int, stop: Callable[[], None]
) -> tuple[AgentConfig, BackendFactory]:
    """Wait for a valid configuration, and return it."""
    while True:
        changes.reading()
        try:
            return await _load_backend(load)
        except ConfigError as error:
            await wait_for_valid_config(error, changes, reader, writer, stop)


class _Runtime:
    """The lifecycle of an agent: signals, watchdog, network, and VIPs on the loopback interface."""

    def __init__(self, agent: Agent, load: Load, changes: ConfigWatcher, routes: RouteFile) -> None:
        self._loop = asyncio.get_running_loop()
        self._agent = agent
        self._load = load
        self._changes = changes
        self._routes = routes
        self._watchdog = Watchdog()
        self._loopback = addresses.Loopback()
        self._status_server = StatusServer(agent)
        self._network = NetworkWatcher(agent.network_changed)
        agent.follow_neighbors = self._network.follow
        routes.on_change = self._on_record

    async def run(self, config: AgentConfig) -> None:
        """Run the agent; its addresses exist before the first announcement until after the last one."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._agent.stop)
        self._watchdog.start(config.watchdog)
        await self._loopback.set_desired(_on_loopback(config))
        self._agent.addresses_missing(self._loopback.missing)
        self._network.open()
        self._network.check_local(_checked(config))
        self._status_server.listen_on(config.listen)
        self._show_record_faults()
        tasks = [self._loop.create_task(self._reload()), self._loop.create_task(self._retry())]
        gc.collect()
        gc.freeze()  # exclude long-lived objects from garbage collection
        log.info("started", extra={"fields": {"node": config.store.node, "backend": config.backend}})
        try:
            await self._agent.run()
        finally:
            for task in tasks:
                task.cancel()
            await self._end(tasks)
            self._watchdog.stop()

    async def _end(self, cancelled: Collection[asyncio.Task[None]]) -> None:
        """Close the agent while a child removes the addresses."""
        self._network.close()
        self._status_server.listen_on(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_TIMEOUT):
                await asyncio.wait(cancelled, timeout=SHUTDOWN_TIMEOUT / 2)  # their child process delays ours
                removal = self._loop.create_task(self._loopback.remove(self._loopback.added))
                await asyncio.sleep(0)  # start the child process
                self._agent.close()
                await removal

    def _on_record(self) -> None:
        """Show whether the record of routes works; called on any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._show_record_faults)

    def _show_record_faults(self) -> None:
        for fault, detail in self._routes.faults().items():
            self._agent.set_fault(fault, detail)

    async def _retry(self) -> None:
        """Periodically retry missing addresses, announce their VIPs once they exist, and retry the record."""
        while True:
            await asyncio.sleep(addresses.ADDRESS_RETRY_INTERVAL)
            try:
                self._routes.retry()
                await self._loopback.retry()
                self._agent.addresses_missing(self._loopback.missing)
            except Exception:  # keep the agent running, and retry (E6)
                log.exception("internal error")

    async def _reload(self) -> None:
        """Reload the configuration at each SIGHUP; on errors, log them and keep the current one (E3)."""
        while True:
            await self._changes.reload_requested.wait()
            self._changes.reading()
            try:
                await self._apply(await self._load())
            except (ConfigError, ValueError) as error:
                self._agent.counters.refused()
                self._agent.set_fault(Fault.CONFIG_REFUSED, first_problem(error))
                for line in str(error).splitlines():
                    log.error("reload failed, keeping the current configuration: %s", line)
            except Exception:  # keep the agent running, and retry (E6)
                log.exception("internal error")
            else:
                self._agent.counters.reloaded()
                self._agent.set_fault(Fault.CONFIG_REFUSED, None)
                log.info("reloaded")

    async def _apply(self, config: AgentConfig) -> None:
        """Apply a configuration: add new addresses before, and remove old ones after their withdrawals."""
        self._agent.check(config)
        desired = _on_loopback(config)
        before = self._loopback.missing
        await self._loopback.set_desired(desired)
        self._agent.addresses_missing({**before, **self._loopback.missing})
        self._routes.move(location(config, self._changes.source, os.environ))
        self._agent.reconfigure(config)
        self._agent.addresses_missing(self._loopback.missing)
        self._network.check_local(_checked(config))
        self._status_server.listen_on(config.listen)
        logs.configure(config.log)
        self._watchdog.start(config.watchdog)
        obsolete = self._loopback.added - desired
        if obsolete and await self._agent.wait_flushed(FLUSH_TIMEOUT):
            await self._loopback.remove(obsolete)


def _on_loopback(config: AgentConfig) -> frozenset[str]:
    return frozenset(vip for service in config.services if service.ip_setup for vip in service.core.pool)


def _checked(config: AgentConfig) -> frozenset[str]:
    """Return the VIPs that should be an address of this node."""
    return frozenset(vip for service in config.services if service.address_check for vip in service.core.pool)
