"""Extracts information from kazoo's log that kazoo does not provide otherwise."""

import logging
import ssl
import sys
from collections.abc import Callable
from typing import Any

from vipagent_zookeeper.errors import explain, explain_connection

LIFE = "negotiated session timeout"
CLOSED = "the server closed the connection"


class KazooLog(logging.LoggerAdapter[logging.Logger]):
    """Logger for kazoo that extracts the cause of a host's failure, and the negotiated session timeout.

    During a store outage, kazoo logs a warning every second; these are logged at level DEBUG.
    """

    def __init__(self, on_error: Callable[[str, str], None], negotiated: Callable[[float], None]) -> None:
        """Initialize.

        Args:
            on_error: called with a host that could not be resolved (empty: the current peer), and the cause.
            negotiated: called with the session timeout in seconds.
        """
        super().__init__(logging.getLogger(__name__), {})
        self._on_error = on_error
        self._negotiated = negotiated

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Extract information from a log line, and log it at level DEBUG."""
        text = str(msg)
        if LIFE in text:
            self._negotiated(args[2] / 1000.0)
        if level < logging.WARNING:
            return
        self.logger.debug(text, *args, exc_info=kwargs.get("exc_info"))
        if text.startswith("Cannot resolve"):
            self._on_error(str(args[0]), getattr(args[1], "strerror", None) or str(args[1]))
        elif kwargs.get("exc_info"):
            self._on_error("", explain(sys.exception()))
        elif text.startswith("AUTH_FAILED") and isinstance(args[0], Exception):
            self._on_error("", explain(args[0]))
        elif args:
            self._on_error("", _describe(args[0]))


def _describe(said: object) -> str:
    below = said.__context__ if isinstance(said, BaseException) else None
    if isinstance(below, ssl.SSLError):  # kazoo keeps only OpenSSL's text
        return explain_connection(below)
    cause = str(said)
    if cause == "socket connection broken":
        return CLOSED
    return cause.removeprefix("socket connection error: ")
