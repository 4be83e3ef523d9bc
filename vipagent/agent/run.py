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
from collections.abc import Callable, Iterator
from pathlib import Path

from vipagent.agent import logs
from vipagent.agent.addresses import AddressError, Addresses
from vipagent.agent.agent import Agent
from vipagent.agent.parent import run_by_exabgp
from vipagent.agent.parked import wait_for_better
from vipagent.agent.watchdog import Watchdog
from vipagent.config.problems import ConfigError, Problem, describe
from vipagent.config.settings import AgentConfig, LogSettings
from vipagent.exabgp.pipe import take_over_stdio
from vipagent.store.backend import Backend
from vipagent.store.plugins import load as load_backend

log = logging.getLogger(__name__)

Load = Callable[[], AgentConfig]
"""Reads the configuration; raises `ConfigError`."""

UMASK = 0o022
"""ExaBGP runs its processes with 0137, which makes directories that nobody can enter."""


def run(load: Load, source: Path | None) -> None:
    """Run the agent until ExaBGP ends it.

    Args:
        load: reads the configuration.
        source: the file that it comes from, if it does.

    Raises:
        SystemExit: with status 2 for a bad configuration, unless ExaBGP runs us: then wait for a better one.
    """
    os.umask(UMASK)
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
        logs.configure(config.log)
        with _addresses(config):
            await _serve(config, backend, load, reader, writer)
    except ConfigError as error:
        return await wait_for_better(error, source, reader, writer)
    return True


@contextlib.contextmanager
def _addresses(config: AgentConfig) -> Iterator[None]:
    """Have the VIPs on the loopback interface for as long as the agent may announce them."""
    addresses = Addresses()
    try:
        addresses.add([vip for service in config.services if service.ip_setup for vip in service.core.pool])
    except AddressError as error:
        raise ConfigError([Problem("", "ip_setup", "true", str(error))]) from error
    try:
        yield
    finally:
        addresses.remove()


async def _serve(config: AgentConfig, backend: type[Backend], load: Load, reader: int, writer: int) -> None:
    loop = asyncio.get_running_loop()
    agent = Agent(config, backend, reader, writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    loop.add_signal_handler(signal.SIGHUP, _reload, agent, load)
    watchdog = Watchdog(config.watchdog)
    watchdog.start()
    gc.collect()
    gc.freeze()  # what start-up made stays: no collection need look at it again
    log.info("started", extra={"fields": {"node": config.store.node, "backend": config.backend}})
    try:
        await agent.run()
    finally:
        watchdog.stop()


def _reload(agent: Agent, load: Load) -> None:
    """Take a new configuration, or say what is wrong with it and go on with the old one (E3)."""
    try:
        config = load()
        logs.configure(config.log)
        agent.reconfigure(config)
    except ConfigError as error:
        log.error("the new configuration is refused, the old one stays:\n%s", describe(error.problems))
    except ValueError as error:
        log.error("the new configuration is refused, the old one stays: %s", error)
    else:
        log.info("reloaded")
