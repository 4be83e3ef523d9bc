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
from collections.abc import Callable
from pathlib import Path

from vipagent.agent import addresses, logs
from vipagent.agent.agent import Agent
from vipagent.agent.parent import run_by_exabgp
from vipagent.agent.parked import wait_for_better
from vipagent.agent.watchdog import Watchdog
from vipagent.config.problems import ConfigError, describe
from vipagent.config.settings import AgentConfig, LogSettings
from vipagent.exabgp.pipe import take_over_stdio
from vipagent.store.backend import Backend
from vipagent.store.plugins import load as load_backend

log = logging.getLogger(__name__)

Load = Callable[[], AgentConfig]
"""Reads the configuration; raises `ConfigError`."""

UMASK = 0o022
"""ExaBGP runs its processes with 0137, which makes directories that nobody can enter."""
REMOVAL = 0.6
"""Seconds that the end waits for the VIPs to leave the loopback interface: 0.3 s is usual (E3)."""


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
    faulthandler.enable()
    logs.configure(LogSettings())
    supervised = run_by_exabgp()
    if not supervised:
        _refuse_at_once(load)
    reader, writer = take_over_stdio()
    while not asyncio.run(_live(load, source, reader, writer)):
        log.warning("reading the configuration again")


def _refuse_at_once(load: Load) -> None:
    try:
        _prepare(load)
    except ConfigError as error:
        print(describe(error.problems), file=sys.stderr)
        sys.exit(2)


def _prepare(load: Load) -> tuple[AgentConfig, type[Backend]]:
    config = load()
    instance = dataclasses.replace(config.store, instance=uuid.uuid4().hex)
    return dataclasses.replace(config, store=instance), load_backend(config.backend)


async def _live(load: Load, source: Path | None, reader: int, writer: int) -> bool:
    """Live one life; return whether that was the last, or another configuration is to be tried."""
    try:
        config, backend = _prepare(load)
    except ConfigError as error:
        return await wait_for_better(error, source, reader, writer)
    logs.configure(config.log)
    life = _Life(Agent(config, backend, reader, writer), load)
    await life.live(config)
    return True


class _Life:
    """A running agent: its signals, its watchdog, and its VIPs on the loopback interface."""

    def __init__(self, agent: Agent, load: Load) -> None:
        self._agent = agent
        self._load = load
        self._addresses: frozenset[str] = frozenset()
        self._reload: asyncio.Task[None] | None = None

    async def live(self, config: AgentConfig) -> None:
        """Run the agent; its addresses are there from before the first announcement to after the last one."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._agent.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        watchdog = Watchdog(config.watchdog)
        watchdog.start()
        self._addresses = await addresses.add(_on_loopback(config))
        gc.collect()
        gc.freeze()  # what start-up made stays: no collection need look at it again
        log.info("started", extra={"fields": {"node": config.store.node, "backend": config.backend}})
        try:
            await self._agent.run()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REMOVAL):
                    await addresses.remove(self._addresses)
            watchdog.stop()

    def _hang_up(self) -> None:
        self._reload = asyncio.get_running_loop().create_task(self._take_new())

    async def _take_new(self) -> None:
        """Take a new configuration, or say what is wrong with it and go on with the old one (E3)."""
        try:
            config = self._load()
            self._addresses |= await addresses.add(_on_loopback(config))
            self._agent.reconfigure(config)
            logs.configure(config.log)
        except (ConfigError, ValueError) as error:
            for line in str(error).splitlines():
                log.error("the new configuration is refused, the old one stays: %s", line)
        else:
            log.info("reloaded")


def _on_loopback(config: AgentConfig) -> frozenset[str]:
    return frozenset(vip for service in config.services if service.ip_setup for vip in service.core.pool)
