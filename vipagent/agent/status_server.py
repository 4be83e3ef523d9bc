"""Lifecycle of the status server (`--listen`)."""

import logging
from collections.abc import Callable

from vipagent.agent.agent import Agent
from vipagent.net.endpoint import Endpoint

log = logging.getLogger(__name__)


class StatusServer:
    """Starts and stops the status server of an agent.

    Args:
        agent: the agent.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._at: str | None = None
        self._close: Callable[[], None] = lambda: None

    def listen_on(self, listen: str | None) -> None:
        """Listen on a new address instead of the previous one; errors are logged (E6)."""
        if listen == self._at:
            return
        self._close()
        self._at, self._close, self._agent.on_change = listen, lambda: None, lambda: None
        if listen is None:
            return
        try:
            from vipagent.web.server import Server  # noqa: PLC0415 - 2 MB that most agents do without

            server = Server(Endpoint.parse(listen, 0), lambda: self._agent.view)
        except Exception:  # the agent does not depend on it
            log.exception("could not start the status server")
        else:
            self._close, self._agent.on_change = server.close, server.change
