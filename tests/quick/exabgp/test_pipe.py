"""Line I/O over real pipes: complete lines, in order, non-blocking (E3, E4, E6, E8)."""

import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from tests.unit.waiting import eventually
from vipagent.exabgp import pipe
from vipagent.exabgp.pipe import Pipe
from vipagent.testing.slowness import allowed

Ends = tuple[int, int, int, int]
"""Descriptors: ExaBGP's writer, the agent's reader, the agent's writer, ExaBGP's reader."""


class RecordingPipe:
    """A pipe that records its callbacks."""

    def __init__(self, reader: int, writer: int) -> None:
        self.lines: list[str] = []
        self.drained = 0
        self.eofs = 0
        self.pipe = Pipe(
            reader, writer, on_lines=self.lines.extend, on_drained=self._on_drained, on_eof=self._on_eof
        )
        self.pipe.open()

    def _on_drained(self) -> None:
        self.drained += 1

    def _on_eof(self) -> None:
        self.eofs += 1


@pytest.fixture
def ends() -> Iterator[Ends]:
    exabgp_writer, agent_reader = reversed(os.pipe())
    exabgp_reader, agent_writer = os.pipe()
    yield exabgp_writer, agent_reader, agent_writer, exabgp_reader
    for descriptor in (exabgp_writer, agent_reader, agent_writer, exabgp_reader):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def run(scenario: Callable[[], Coroutine[object, object, None]]) -> None:
    asyncio.run(scenario())


def test_partial_reads_are_joined_into_lines(ends: Ends) -> None:
    async def scenario() -> None:
        recorder = RecordingPipe(ends[1], ends[2])
        for piece in (b"do", b"ne\nerr", b"or\n", b"\n\xff\n", b"unfinished"):
            os.write(ends[0], piece)
            await asyncio.sleep(0)
        await eventually("four lines", lambda: len(recorder.lines) == 4)
        assert recorder.lines == ["done", "error", "", "\ufffd"]
        recorder.pipe.close()

    run(scenario)


@pytest.mark.slow
def test_unterminated_line_uses_bounded_memory(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "MAX_LINE", 1000)

    async def scenario() -> None:
        recorder = RecordingPipe(ends[1], ends[2])
        for _ in range(100):
            os.write(ends[0], b"x" * 10_000)
            await eventually("all input was read", lambda: is_empty(ends[1]))
        os.write(ends[0], b"\ndone\n")
        await eventually("two lines", lambda: len(recorder.lines) == 2)
        assert len(recorder.lines[0]) <= 11_000
        assert recorder.lines[1] == "done"
        recorder.pipe.close()

    run(scenario)


def is_empty(descriptor: int) -> bool:
    return not int.from_bytes(fcntl.ioctl(descriptor, 0x541B, bytes(4)), sys.byteorder)  # FIONREAD


def test_e4_full_pipe_buffers_lines_without_blocking(ends: Ends) -> None:
    async def scenario() -> None:
        recorder = RecordingPipe(ends[1], ends[2])
        lines = [f"announce route 2001:db8::{number:x}/128 next-hop self" for number in range(5000)]
        since = time.monotonic()
        recorder.pipe.write(lines)
        assert time.monotonic() - since < allowed(1)
        assert recorder.pipe.congested
        assert recorder.drained == 0
        os.set_blocking(ends[3], False)
        read = b""

        def all_lines_arrived() -> bool:
            nonlocal read
            try:
                read += os.read(ends[3], 10_000)
            except BlockingIOError:
                return False
            return read.count(b"\n") == len(lines)

        await eventually("all lines have arrived", all_lines_arrived)
        assert read.decode().splitlines() == lines
        assert (recorder.drained, recorder.pipe.congested) == (1, False)
        recorder.pipe.close()

    run(scenario)


def test_e8_only_ascii_is_written(ends: Ends) -> None:
    """ExaBGP exits on a non-ASCII byte."""

    async def scenario() -> None:
        recorder = RecordingPipe(ends[1], ends[2])
        recorder.pipe.write(["# \u00e9\u2028"])
        assert os.read(ends[3], 100) == b"# \\xe9\\u2028\n"
        recorder.pipe.close()

    run(scenario)


def test_e3_eof_is_reported_once(ends: Ends) -> None:
    async def scenario() -> None:
        recorder = RecordingPipe(ends[1], ends[2])
        os.write(ends[0], b"done\n")
        os.close(ends[0])
        await eventually("EOF was reported", lambda: recorder.eofs)
        assert recorder.lines == ["done"]
        assert recorder.pipe.closed
        recorder.pipe.write(["announce"])
        await asyncio.sleep(0.05)
        assert recorder.eofs == 1

    run(scenario)


def test_e3_broken_pipe_is_reported_once(ends: Ends) -> None:
    async def scenario() -> None:
        recorder = RecordingPipe(ends[1], ends[2])
        os.close(ends[3])
        recorder.pipe.write(["announce"])
        await eventually("EOF was reported", lambda: recorder.eofs)
        assert recorder.eofs == 1

    run(scenario)


def test_e3_eof_while_lines_are_buffered(ends: Ends) -> None:
    async def scenario() -> None:
        recorder = RecordingPipe(ends[1], ends[2])
        recorder.pipe.write(["x" * 1000] * 1000)
        assert recorder.pipe.congested
        os.close(ends[3])
        await eventually("EOF was reported", lambda: recorder.eofs)
        assert (recorder.eofs, recorder.drained) == (1, 0)

    run(scenario)


def test_no_callbacks_after_close(ends: Ends) -> None:
    async def scenario() -> None:
        recorder = RecordingPipe(ends[1], ends[2])
        os.write(ends[0], b"done\n")
        recorder.pipe.close()
        os.close(ends[0])
        await asyncio.sleep(0.05)
        assert (recorder.lines, recorder.eofs) == ([], 0)

    run(scenario)


def test_regular_files_are_supported(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "in").write_bytes(b"done\nerror\n")
        reader = os.open(tmp_path / "in", os.O_RDONLY)
        writer = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
        recorder = RecordingPipe(reader, writer)
        recorder.pipe.write(["announce"])
        await eventually("EOF was reported", lambda: recorder.eofs)
        assert recorder.lines == ["done", "error"]
        assert (tmp_path / "out").read_bytes() == b"announce\n"
        os.close(reader)
        os.close(writer)

    run(scenario)


def test_all_lines_of_one_read_are_delivered_together(ends: Ends) -> None:
    """Separate deliveries would cause one decision per line."""
    delivered: list[list[str]] = []

    async def scenario() -> None:
        os.write(ends[0], b"done\nerror\ndone\n")
        reader = Pipe(
            ends[1], ends[2], on_lines=delivered.append, on_drained=lambda: None, on_eof=lambda: None
        )
        reader.open()
        await eventually("the lines were delivered", lambda: delivered)
        assert delivered == [["done", "error", "done"]]
        reader.close()

    run(scenario)


def test_infinite_file_does_not_block_the_event_loop() -> None:
    async def scenario() -> None:
        reader = os.open("/dev/zero", os.O_RDONLY)
        writer = os.open(os.devnull, os.O_WRONLY)
        recorder = RecordingPipe(reader, writer)
        for _ in range(20):
            await asyncio.sleep(0)
        recorder.pipe.close()
        assert recorder.lines == []
        os.close(reader)
        os.close(writer)

    run(scenario)


DETACH_STDIO = """
import os, subprocess, sys
from vipagent.exabgp.pipe import detach_stdio

reader, writer = detach_stdio()
print("output of a library")
os.system("echo output of a child; cat")
subprocess.run(["sh", "-c", "ls -l /proc/self/fd >&2; cat"], close_fds=False)
os.write(writer, b"a command\\n" + os.read(reader, 100))
"""


def test_e6_e8_children_do_not_inherit_stdin_and_stdout() -> None:
    completed = subprocess.run(
        [sys.executable, "-c", DETACH_STDIO],
        input="a reply\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=allowed(30),
    )
    assert completed.stdout == "a command\na reply\n"
    open_in_child = {line.split()[-1] for line in completed.stderr.splitlines() if "pipe:" in line}
    assert len(open_in_child) == 1, f"stderr only: {completed.stderr}"
