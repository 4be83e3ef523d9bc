"""`vipagent run`: from the command line to a running agent (E3, E6, E7)."""

import asyncio
import contextlib
import dataclasses
import faulthandler
import gc
import logging
import os
import signal
import sys
import uuid
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from vipagent.agent import addresses, logs
from vipagent.agent.agent import Agent
from vipagent.agent.changes import Changes
from vipagent.agent.parent import run_by_exabgp
from vipagent.agent.parked import wait_for_better
from vipagent.agent.showing import Showing
from vipagent.agent.watchdog import Watchdog
from vipagent.config.problems import ConfigError, describe
from vipagent.config.settings import AgentConfig, LogSettings
from vipagent.exabgp.pipe import detach_stdio
from vipagent.store.backend import BackendFactory
from vipagent.store.plugins import load as load_backend

log = logging.getLogger(__name__)

Load = Callable[[], Awaitable[AgentConfig]]
"""Reads the configuration; raises `ConfigError`."""

UMASK = 0o022
"""ExaBGP runs its processes with 0137, which makes directories that nobody can enter."""
ENDING = 1.0
"""Seconds, after the withdrawals, for the store's session to end and the VIPs to leave the loopback (E3)."""
FLUSHED = 30.0
"""Seconds that ExaBGP gets to take a reload's withdrawals, or their VIPs stay on the loopback interface."""


def run(load: Load, source: Path | None) -> None:
    """Run the agent until ExaBGP ends it.

    Args:
        load: reads the configuration.
        source: the file that it comes from, if it does.

    Raises:
        SystemExit: with status 2 for a bad configuration, unless ExaBGP runs us: then wait for a better one.
    """
    os.umask(UMASK)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # were it ignored, every check's status would read 0
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is not read yet need not be read again
    faulthandler.enable()
    logs.configure(LogSettings())
    if not run_by_exabgp():
        _refuse_at_once(load)
    reader, writer = detach_stdio()
    with contextlib.suppress(asyncio.CancelledError):  # stopped before there was anything to end
        asyncio.run(_run(load, source, reader, writer))


def _refuse_at_once(load: Load) -> None:
    try:
        asyncio.run(_prepare(load))
    except ConfigError as error:
        print(describe(error.problems), file=sys.stderr)
        sys.exit(2)


async def _prepare(load: Load) -> tuple[AgentConfig, BackendFactory]:
    config = await load()
    instance = dataclasses.replace(config.store, instance=uuid.uuid4().hex)
    return dataclasses.replace(config, store=instance), load_backend(config.backend)


async def _run(load: Load, source: Path | None, reader: int, writer: int) -> None:
    loop, changes = asyncio.get_running_loop(), Changes(source)

    def stop() -> None:
        life.cancel()

    loop.add_signal_handler(signal.SIGHUP, changes.hung_up.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    life = loop.create_task(_live(load, changes, reader, writer, stop))
    await life


async def _live(load: Load, changes: Changes, reader: int, writer: int, stop: Callable[[], None]) -> None:
    config, backend = await _start(load, changes, reader, writer, stop)
    logs.configure(config.log)
    await _Life(Agent(config, backend, reader, writer), load, changes).live(config)


async def _start(
    load: Load, changes: Changes, reader: int, writer: int, stop: Callable[[], None]
) -> tuple[AgentConfig, BackendFactory]:
    """Return, however long that takes, a configuration that is good."""
    while True:
        changes.reading()
        try:
            return await _prepare(load)
        except ConfigError as error:
            await wait_for_better(error, changes, reader, writer, stop)


class _Life:
    """A running agent: its signals, its watchdog, and its VIPs on the loopback interface."""

    def __init__(self, agent: Agent, load: Load, changes: Changes) -> None:
        self._loop = asyncio.get_running_loop()
        self._agent = agent
        self._load = load
        self._changes = changes
        self._watchdog = Watchdog()
        self._loopback = addresses.Loopback()
        self._showing = Showing(agent)

    async def live(self, config: AgentConfig) -> None:
        """Run the agent; its addresses are there from before the first announcement to after the last one."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._agent.stop)
        self._watchdog.start(config.watchdog)
        await self._loopback.want(_on_loopback(config))
        self._agent.addresses_missing(self._loopback.missing)
        self._showing.at(config.listen)
        tasks = [self._loop.create_task(self._reload()), self._loop.create_task(self._retry_addresses())]
        gc.collect()
        gc.freeze()  # what start-up made stays: no collection need look at it again
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
        self._showing.at(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await asyncio.wait(cancelled, timeout=ENDING / 2)  # a child of theirs keeps ours waiting
                removal = self._loop.create_task(self._loopback.remove(self._loopback.added))
                await asyncio.sleep(0)  # the child is started
                self._agent.close()
                await removal

    async def _retry_addresses(self) -> None:
        """Try again and again to add the addresses that are missing: then their VIPs are announced."""
        while True:
            await asyncio.sleep(addresses.RETRY_EVERY)
            try:
                await self._loopback.retry()
                self._agent.addresses_missing(self._loopback.missing)
            except Exception:  # the agent, and the next attempt, go on (E6)
                log.exception("internal error")

    async def _reload(self) -> None:
        """Take a new configuration at each SIGHUP, or say why not and go on with the old one (E3)."""
        while True:
            await self._changes.hung_up.wait()
            self._changes.reading()
            try:
                await self._take(await self._load())
            except (ConfigError, ValueError) as error:
                self._agent.counters.refused()
                for line in str(error).splitlines():
                    log.error("the new configuration is refused, the old one stays: %s", line)
            except Exception:  # the agent, and the next attempt, go on (E6)
                log.exception("internal error")
            else:
                self._agent.counters.reloaded()
                log.info("reloaded")

    async def _take(self, config: AgentConfig) -> None:
        """Take a new configuration: new addresses come before it, old ones go after their withdrawals."""
        self._agent.check(config)
        wanted = _on_loopback(config)
        before = self._loopback.missing
        await self._loopback.want(wanted)
        self._agent.addresses_missing({**before, **self._loopback.missing})
        self._agent.reconfigure(config)
        self._agent.addresses_missing(self._loopback.missing)
        self._showing.at(config.listen)
        logs.configure(config.log)
        self._watchdog.start(config.watchdog)
        gone = self._loopback.added - wanted
        if gone and await self._agent.wait_flushed(FLUSHED):
            await self._loopback.remove(gone)


def _on_loopback(config: AgentConfig) -> frozenset[str]:
    return frozenset(vip for service in config.services if service.ip_setup for vip in service.core.pool)
