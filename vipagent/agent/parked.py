"""What an agent does that cannot start, where ending would take ExaBGP down with it (E6)."""

import logging
from collections.abc import Callable

from vipagent.agent.changes import Changes
from vipagent.config.problems import ConfigError, describe
from vipagent.exabgp.pipe import Pipe

log = logging.getLogger(__name__)


async def wait_for_better(
    error: ConfigError, changes: Changes, reader: int, writer: int, stop: Callable[[], None]
) -> None:
    """Say why the agent cannot start, announce nothing, and return when it is time to try again.

    Args:
        error: why the agent cannot start.
        changes: of the configuration.
        reader: the descriptor of ExaBGP's replies.
        writer: the descriptor of our commands.
        stop: called when ExaBGP is gone.
    """
    for line in describe(error.problems).splitlines():
        log.error("%s", line)
    pipe = Pipe(reader, writer, on_lines=lambda _lines: None, on_drained=lambda: None, on_eof=stop)
    pipe.open()  # ExaBGP blocks if nobody reads what it says
    try:
        await changes.due()
    finally:
        pipe.close()
    log.warning("reading the configuration again")
