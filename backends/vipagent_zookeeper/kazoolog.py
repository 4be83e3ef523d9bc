"""kazoo's log, read for what kazoo says nowhere else."""

import logging
import ssl
import sys
from collections.abc import Callable
from typing import Any

from vipagent_zookeeper.refusals import explain, explain_connection

LIFE = "negotiated session timeout"
CLOSED = "it closed the connection"


class KazooLog(logging.LoggerAdapter[logging.Logger]):
    """Given to kazoo as its logger: takes out of it why a host failed, and the session's negotiated life.

    While a store is away, kazoo warns about it every second: that goes no further than our debug log.
    """

    def __init__(self, blame: Callable[[str, str], None], negotiated: Callable[[float], None]) -> None:
        """Prepare.

        Args:
            blame: told a host that could not be resolved (empty: the present peer), and the cause.
            negotiated: told the session's life in seconds.
        """
        super().__init__(logging.getLogger(__name__), {})
        self._blame = blame
        self._negotiated = negotiated

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Take what concerns us from a line of the log, and pass warnings on as debug messages."""
        text = str(msg)
        if LIFE in text:
            self._negotiated(args[2] / 1000.0)
        if level < logging.WARNING:
            return
        self.logger.debug(text, *args, exc_info=kwargs.get("exc_info"))
        if text.startswith("Cannot resolve"):
            self._blame(str(args[0]), getattr(args[1], "strerror", None) or str(args[1]))
        elif kwargs.get("exc_info"):
            self._blame("", explain(sys.exception()))
        elif text.startswith("AUTH_FAILED") and isinstance(args[0], Exception):
            self._blame("", explain(args[0]))
        elif args:
            self._blame("", _in_plain_words(args[0]))


def _in_plain_words(said: object) -> str:
    below = said.__context__ if isinstance(said, BaseException) else None
    if isinstance(below, ssl.SSLError):  # kazoo keeps no more of it than OpenSSL's text
        return explain_connection(below)
    cause = str(said)
    if cause == "socket connection broken":
        return CLOSED
    return cause.removeprefix("socket connection error: ")
