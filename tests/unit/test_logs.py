import contextlib
import fcntl
import json
import logging
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.agent.log_handlers import NonBlockingHandler, StderrHandler, SyslogHandler
from vipagent.agent.logs import BARE, DATED, JsonFormatter, TextFormatter
from vipagent.testing.slowness import allowed
from vipagent.types import Reason

TEXT = TextFormatter(DATED)
JSON = JsonFormatter()


def record(
    message: str = "announce", *args: object, name: str = "vipagent.agent", **fields: object
) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, __file__, 1, message, args, None)
    made.created, made.msecs = 1767268800.042, 42.0
    made.fields = fields
    return made


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_text_format() -> None:
    line = TEXT.format(record(vip="10.0.0.1", rank=0, reason=Reason.OWNER, detail='status 1: it\'s "off"'))
    assert line == (
        "2026-01-01T12:00:00.042+0000 INFO announce vip=10.0.0.1 rank=0 reason=owner "
        'detail="status 1: it\'s \\"off\\""'
    )


def test_json_format() -> None:
    line = JSON.format(record(vip="10.0.0.1", rank=0, reason=Reason.OWNER, level="x", names=["a", "b"]))
    assert json.loads(line) == {
        "time": "2026-01-01T12:00:00.042+0000",
        "level": "INFO",
        "message": "announce",
        "vip": "10.0.0.1",
        "rank": 0,
        "reason": "owner",
        "names": "['a', 'b']",
    }


@pytest.mark.parametrize("formatter", [TEXT, JSON])
def test_foreign_logger_and_exception_are_included(formatter: logging.Formatter) -> None:
    logged = record("lost %s", "it", name="kazoo.client")
    try:
        raise ValueError("boom\nboom")
    except ValueError:
        logged.exc_info = sys.exc_info()
    line = formatter.format(logged)
    assert "lost it" in line
    assert "kazoo.client" in line
    assert "ValueError: boom\\nboom" in line
    assert "\n" not in line


def test_mismatched_arguments_are_logged() -> None:
    assert "'%d of them' ('x',)" in TEXT.format(record("%d of them", "x"))


def test_long_messages_are_truncated() -> None:
    assert len(TEXT.format(record("x" * 10**6, y="z" * 10**6))) < 10_000
    assert len(JSON.format(record("x" * 10**6, y="z" * 10**6))) < 10_000


@given(
    message=st.text(),
    fields=st.dictionaries(st.text(min_size=1), st.one_of(st.text(), st.none(), st.integers())),
)
def test_record_is_one_printable_line(message: str, fields: dict[str, Any]) -> None:
    logged = record("%s", message)
    logged.fields = fields
    assert TEXT.format(logged).isprintable()
    line = JSON.format(logged)
    assert line.isprintable()
    assert json.loads(line)["message"] == message


@contextlib.contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """Yield both ends of a small, full pipe."""
    reader, writer = os.pipe()
    try:
        size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 8192)
        os.write(writer, b"." * size)
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


def test_full_stderr_drops_lines_without_blocking_and_logs_the_number() -> None:
    with full_pipe() as (reader, writer):
        handler = StderrHandler(writer)
        handler.setFormatter(TextFormatter(BARE))
        started = time.monotonic()
        for number in range(1000):
            handler.handle(record(f"line {number}"))
        assert time.monotonic() - started < allowed(5)
        assert os.get_blocking(writer)
        os.read(reader, 8192)
        handler.handle(record("line 1000"))
        assert os.read(reader, 8192) == b"WARNING log lines dropped: 1000\nINFO line 1000\n"


def test_partially_written_line_is_terminated() -> None:
    with full_pipe() as (reader, writer):
        os.read(reader, 8192)
        handler = StderrHandler(writer)
        handler.setFormatter(TextFormatter(BARE))
        handler.handle(record("long", a="x" * 3900, b="y" * 3900, c="z" * 3900))
        first = os.read(reader, 8192)
        assert first.startswith(b"INFO long a=xxx")
        assert not first.endswith(b"\n")
        handler.handle(record("next"))
        assert os.read(reader, 8192) == b"\nWARNING log lines dropped: 1\nINFO next\n"


def test_closed_reader_is_not_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    handler = StderrHandler(writer)
    handler.handle(record())
    os.close(writer)
    handler.handle(record())


def test_failing_formatter_is_not_an_error() -> None:
    class Broken(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            raise RuntimeError(record.msg)

    class Kept(NonBlockingHandler):
        lines: list[str]

        def send(self, level: int, line: str, timeout: float) -> None:
            self.lines.append(line)

    handler = Kept()
    handler.lines = []
    handler.setFormatter(Broken())
    handler.handle(record())
    handler.setFormatter(TextFormatter(BARE))
    handler.handle(record("after"))
    assert handler.lines == ["WARNING log lines dropped: 1", "INFO after"]


def test_syslog_missing_then_available_then_blocked(tmp_path: Path) -> None:
    address = str(tmp_path / "log")
    handler = SyslogHandler("local3", address)
    handler.setFormatter(TextFormatter(BARE))
    handler.handle(record("too early"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(address)
        handler.handle(record("hello", vip="10.0.0.1"))
        pid = os.getpid()
        assert syslog.recv(1000).decode() == f"<156>vipagent[{pid}]: WARNING log lines dropped: 1"
        assert syslog.recv(1000).decode() == f"<158>vipagent[{pid}]: INFO hello vip=10.0.0.1"
        started = time.monotonic()
        for _ in range(5000):
            handler.handle(record("this is not read"))
        assert time.monotonic() - started < allowed(10)
        while select.select([syslog], [], [], 0)[0]:
            syslog.recv(1000)
        handler.handle(record("again"))
        assert re.fullmatch(
            r"<156>vipagent\[\d+\]: WARNING log lines dropped: \d+", syslog.recv(1000).decode()
        )
    handler.close()


PROGRAM = """
import logging, sys
from vipagent.agent import logs
from vipagent.config.settings import LogSettings
for settings in ({settings}):
    logs.configure(settings)
    log = logging.getLogger("vipagent.agent.agent")
    log.debug("quiet")
    log.info("announce", extra={{"fields": {{"vip": "10.0.0.1"}}}})
    logging.getLogger("asyncio").error("oops\\n")
"""


def run_program(*settings: str) -> list[str]:
    program = PROGRAM.format(settings=", ".join(f"LogSettings({one})" for one in settings) + ",")
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=allowed(60)
    )
    assert (ended.returncode, ended.stdout) == (0, "")
    return ended.stderr.splitlines()


def test_configured_logging_goes_to_stderr_and_never_to_stdout() -> None:
    first, second = run_program("")
    assert first.endswith(" INFO announce vip=10.0.0.1")
    assert second.endswith(" ERROR oops\\n logger=asyncio")


def test_reconfiguration_replaces_handlers() -> None:
    output = run_program("'debug', 'json'", "'WARNING', 'text', 'daemon'")
    assert [json.loads(line)["message"] for line in output[:3]] == ["quiet", "announce", "oops\n"]
    assert len(output) == 4
    assert output[3].endswith(" ERROR oops\\n logger=asyncio")
