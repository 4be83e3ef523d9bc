"""Logging to stderr and optionally to syslog; never to stdout, which is ExaBGP's pipe (E8).

A record is a message and its fields: `log.info("announce", extra={"fields": {"vip": ..., ...}})`. It is
written as one line. Logging neither raises nor blocks: lines that cannot be written are dropped and counted.
"""

import json
import logging
import time
from typing import Any

from vipagent.agent.log_handlers import NonBlockingHandler, StderrHandler, SyslogHandler
from vipagent.config.settings import LogSettings

MAX_VALUE_LENGTH = 4000
"""Maximum length of a value; a traceback keeps its end, other values their beginning."""
DATED = "{time} {level} {text}"
BARE = "{level} {text}"
"""For syslog, which adds the time."""


def configure(settings: LogSettings) -> None:
    """Configure logging by validated settings; may be called repeatedly."""
    handlers: list[NonBlockingHandler] = [StderrHandler()]
    handlers[0].setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter(DATED))
    if settings.syslog_facility is not None:
        handlers.append(SyslogHandler(settings.syslog_facility))
        handlers[1].setFormatter(TextFormatter(BARE))
    root = logging.getLogger()
    root.setLevel(settings.log_level.upper())
    for old in [handler for handler in root.handlers if isinstance(handler, NonBlockingHandler)]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)


class TextFormatter(logging.Formatter):
    """Text format: `2026-01-01T12:00:00.042+0000 INFO announce vip=10.0.0.1 rank=0`.

    Args:
        line: format of a line with time, level and text.
    """

    def __init__(self, line: str) -> None:
        super().__init__()
        self._line = line

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        words = [_escaped(_message(record))]
        words += [f"{_escaped(str(name))}={_quoted(value)}" for name, value in _fields(record).items()]
        return self._line.format(time=_time(record), level=record.levelname, text=" ".join(words))


class JsonFormatter(logging.Formatter):
    """JSON format: one object per line, with the same fields, and `time`, `level` and `message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        base = {"time": _time(record), "level": record.levelname, "message": _message(record)}
        return json.dumps({**base, **_fields(record), **base}, default=str)


def _time(record: logging.LogRecord) -> str:
    seconds, zone = time.strftime("%Y-%m-%dT%H:%M:%S %z", time.localtime(record.created)).split()
    return f"{seconds}.{int(record.msecs):03}{zone}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()[:MAX_VALUE_LENGTH]
    except (TypeError, ValueError, KeyError):  # the arguments do not match
        return f"{record.msg!r} {record.args!r}"[:MAX_VALUE_LENGTH]


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the record's fields, the logger's name of other packages, and the traceback."""
    fields = {name: _plain(value) for name, value in getattr(record, "fields", {}).items()}
    if not record.name.startswith("vipagent"):
        fields["logger"] = record.name
    if record.exc_info:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)[-MAX_VALUE_LENGTH:]
    return fields


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | float) else str(value)[:MAX_VALUE_LENGTH]


def _quoted(value: object) -> str:
    text = str(value)
    if text and text.isprintable() and not set(text) & set(' "='):
        return text
    return '"' + _escaped(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escaped(text: str) -> str:
    """Return the text with unprintable characters and line ends escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
