"""What the agent says: to stderr and, if asked, to syslog; never to stdout, which is ExaBGP's (E8).

A record is a message and its fields: `log.info("announce", extra={"fields": {"vip": ..., ...}})`. It becomes
one line, whatever is in it. Logging neither raises nor waits: a line that nobody takes is lost, and counted.
"""

import json
import logging
import time
from typing import Any

from vipagent.agent.outlets import Outlet, StderrHandler, SyslogHandler
from vipagent.config.settings import LogSettings

LONGEST = 4000
"""Characters of one value; the end of it is kept of a traceback, the beginning of anything else."""
DATED = "{time} {level} {text}"
BARE = "{level} {text}"
"""For syslog, which knows the time."""


def configure(settings: LogSettings) -> None:
    """Send all logging where the settings, which are valid, say; may be called again with others."""
    outlets: list[Outlet] = [StderrHandler()]
    outlets[0].setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter(DATED))
    if settings.syslog_facility is not None:
        outlets.append(SyslogHandler(settings.syslog_facility))
        outlets[1].setFormatter(TextFormatter(BARE))
    root = logging.getLogger()
    root.setLevel(settings.log_level.upper())
    for old in [handler for handler in root.handlers if isinstance(handler, Outlet)]:
        root.removeHandler(old)
        old.close()
    for outlet in outlets:
        root.addHandler(outlet)


class TextFormatter(logging.Formatter):
    """For people: `2026-01-01T12:00:00.042+0000 INFO announce vip=10.0.0.1 rank=0`.

    Args:
        line: what a line is made of: time, level and text.
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
    """For machines: one object a line, with the same fields, and `time`, `level` and `message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        base = {"time": _time(record), "level": record.levelname, "message": _message(record)}
        return json.dumps({**base, **_fields(record), **base}, default=str)


def _time(record: logging.LogRecord) -> str:
    seconds, zone = time.strftime("%Y-%m-%dT%H:%M:%S %z", time.localtime(record.created)).split()
    return f"{seconds}.{int(record.msecs):03}{zone}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()[:LONGEST]
    except (TypeError, ValueError, KeyError):  # the arguments do not fit
        return f"{record.msg!r} {record.args!r}"[:LONGEST]


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the record's fields; whose it is, if it is not ours; and the traceback."""
    fields = {name: _plain(value) for name, value in getattr(record, "fields", {}).items()}
    if not record.name.startswith("vipagent"):
        fields["logger"] = record.name
    if record.exc_info:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)[-LONGEST:]
    return fields


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | float) else str(value)[:LONGEST]


def _quoted(value: object) -> str:
    text = str(value)
    if text and text.isprintable() and not set(text) & set(' "='):
        return text
    return '"' + _escaped(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escaped(text: str) -> str:
    """Return the text with all that does not print, line ends among it, written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
