"""Lets people and machines look at the agent by HTTP, if it is asked for (`--listen`)."""

import logging
from collections.abc import Callable

from vipagent.agent.agent import Agent
from vipagent.config.settings import ListenSettings

log = logging.getLogger(__name__)


class Showing:
    """Serves what there is to see of an agent, at one address or nowhere.

    Args:
        agent: the agent.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._at: ListenSettings | None = None
        self._close: Callable[[], None] = lambda: None

    def at(self, listen: ListenSettings | None) -> None:
        """Listen there, and no longer where it was before; what goes wrong is logged (E6)."""
        if listen == self._at:
            return
        self._close()
        self._at, self._close, self._agent.on_change = listen, lambda: None, lambda: None
        if listen is None:
            return
        try:
            from vipagent.web.server import Server  # noqa: PLC0415 - 2 MB that most agents do without

            server = Server(listen, lambda: self._agent.view)
        except Exception:  # the agent's work does not depend on it
            log.exception("internal error: nothing is shown")
        else:
            self._close, self._agent.on_change = server.close, server.change
