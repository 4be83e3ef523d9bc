"""Waiting for a valid configuration, because exiting would terminate ExaBGP (E6)."""

import logging
from collections.abc import Callable

from vipagent.agent.config_watcher import ConfigWatcher
from vipagent.config.problems import ConfigError, describe
from vipagent.exabgp.pipe import Pipe

log = logging.getLogger(__name__)


async def wait_for_valid_config(
    error: ConfigError, changes: ConfigWatcher, reader: int, writer: int, stop: Callable[[], None]
) -> None:
    """Log why the agent cannot start, announce nothing, and return when a retry is due.

    Args:
        error: the errors in the configuration.
        changes: watches the configuration.
        reader: file descriptor of ExaBGP's replies.
        writer: file descriptor of our commands.
        stop: called when ExaBGP has exited.
    """
    for line in describe(error.problems).splitlines():
        log.error("%s", line)
    pipe = Pipe(reader, writer, on_lines=lambda _lines: None, on_drained=lambda: None, on_eof=stop)
    pipe.open()  # ExaBGP blocks if its output is not read
    try:
        await changes.due()
    finally:
        pipe.close()
    log.warning("retrying the configuration")
