"""Lines over real pipes: whole, in order, and never waiting (E3, E4, E6, E8)."""

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
"""ExaBGP's end to write to, our end to read from; our end to write to, ExaBGP's end to read from."""


class Talk:
    """A pipe, and what came out of it."""

    def __init__(self, reader: int, writer: int) -> None:
        self.lines: list[str] = []
        self.rooms = 0
        self.ends = 0
        self.pipe = Pipe(reader, writer, on_lines=self.lines.extend, on_room=self._room, on_end=self._end)
        self.pipe.open()

    def _room(self) -> None:
        self.rooms += 1

    def _end(self) -> None:
        self.ends += 1


@pytest.fixture
def ends() -> Iterator[Ends]:
    theirs_out, ours_in = reversed(os.pipe())
    theirs_in, ours_out = os.pipe()
    yield theirs_out, ours_in, ours_out, theirs_in
    for descriptor in (theirs_out, ours_in, ours_out, theirs_in):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def live(scene: Callable[[], Coroutine[object, object, None]]) -> None:
    asyncio.run(scene())


def test_lines_come_out_whole_however_they_went_in(ends: Ends) -> None:
    async def scene() -> None:
        talk = Talk(ends[1], ends[2])
        for piece in (b"do", b"ne\nerr", b"or\n", b"\n\xff\n", b"unfinished"):
            os.write(ends[0], piece)
            await asyncio.sleep(0)
        await eventually("four lines", lambda: len(talk.lines) == 4)
        assert talk.lines == ["done", "error", "", "\ufffd"]
        talk.pipe.close()

    live(scene)


@pytest.mark.slow
def test_a_line_without_end_takes_no_memory_without_end(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "MAX_LINE", 1000)

    async def scene() -> None:
        talk = Talk(ends[1], ends[2])
        for _ in range(100):
            os.write(ends[0], b"x" * 10_000)
            await eventually("it was read", lambda: nothing_waits(ends[1]))
        os.write(ends[0], b"\ndone\n")
        await eventually("two lines", lambda: len(talk.lines) == 2)
        assert len(talk.lines[0]) <= 11_000
        assert talk.lines[1] == "done"
        talk.pipe.close()

    live(scene)


def nothing_waits(descriptor: int) -> bool:
    return not int.from_bytes(fcntl.ioctl(descriptor, 0x541B, bytes(4)), sys.byteorder)  # FIONREAD


def test_e4_a_full_pipe_does_not_block_and_loses_nothing(ends: Ends) -> None:
    async def scene() -> None:
        talk = Talk(ends[1], ends[2])
        lines = [f"announce route 2001:db8::{number:x}/128 next-hop self" for number in range(5000)]
        since = time.monotonic()
        talk.pipe.write(lines)
        assert time.monotonic() - since < allowed(1)
        assert talk.pipe.congested
        assert talk.rooms == 0
        os.set_blocking(ends[3], False)
        read = b""

        def all_is_read() -> bool:
            nonlocal read
            try:
                read += os.read(ends[3], 10_000)
            except BlockingIOError:
                return False
            return read.count(b"\n") == len(lines)

        await eventually("all of it has arrived", all_is_read)
        assert read.decode().splitlines() == lines
        assert (talk.rooms, talk.pipe.congested) == (1, False)
        talk.pipe.close()

    live(scene)


def test_e8_only_ascii_is_written(ends: Ends) -> None:
    """One byte that is not ASCII, and ExaBGP ends its process."""

    async def scene() -> None:
        talk = Talk(ends[1], ends[2])
        talk.pipe.write(["# \u00e9\u2028"])
        assert os.read(ends[3], 100) == b"# \\xe9\\u2028\n"
        talk.pipe.close()

    live(scene)


def test_e3_the_end_of_the_file_is_told_once(ends: Ends) -> None:
    async def scene() -> None:
        talk = Talk(ends[1], ends[2])
        os.write(ends[0], b"done\n")
        os.close(ends[0])
        await eventually("the end is told", lambda: talk.ends)
        assert talk.lines == ["done"]
        assert talk.pipe.ended
        talk.pipe.write(["announce"])
        await asyncio.sleep(0.05)
        assert talk.ends == 1

    live(scene)


def test_e3_so_is_the_end_of_the_other_pipe(ends: Ends) -> None:
    async def scene() -> None:
        talk = Talk(ends[1], ends[2])
        os.close(ends[3])
        talk.pipe.write(["announce"])
        await eventually("the end is told", lambda: talk.ends)
        assert talk.ends == 1

    live(scene)


def test_e3_the_end_comes_while_lines_wait(ends: Ends) -> None:
    async def scene() -> None:
        talk = Talk(ends[1], ends[2])
        talk.pipe.write(["x" * 1000] * 1000)
        assert talk.pipe.congested
        os.close(ends[3])
        await eventually("the end is told", lambda: talk.ends)
        assert (talk.ends, talk.rooms) == (1, 0)

    live(scene)


def test_nothing_is_told_after_the_close(ends: Ends) -> None:
    async def scene() -> None:
        talk = Talk(ends[1], ends[2])
        os.write(ends[0], b"done\n")
        talk.pipe.close()
        os.close(ends[0])
        await asyncio.sleep(0.05)
        assert (talk.lines, talk.ends) == ([], 0)

    live(scene)


def test_files_work_too_for_a_try_by_hand(tmp_path: Path) -> None:
    async def scene() -> None:
        (tmp_path / "in").write_bytes(b"done\nerror\n")
        reader = os.open(tmp_path / "in", os.O_RDONLY)
        writer = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
        talk = Talk(reader, writer)
        talk.pipe.write(["announce"])
        await eventually("the end is told", lambda: talk.ends)
        assert talk.lines == ["done", "error"]
        assert (tmp_path / "out").read_bytes() == b"announce\n"
        os.close(reader)
        os.close(writer)

    live(scene)


def test_what_one_read_brings_comes_at_once(ends: Ends) -> None:
    """Each line alone would be decided on alone."""
    told: list[list[str]] = []

    async def scene() -> None:
        os.write(ends[0], b"done\nerror\ndone\n")
        talking = Pipe(ends[1], ends[2], on_lines=told.append, on_room=lambda: None, on_end=lambda: None)
        talking.open()
        await eventually("it is read", lambda: told)
        assert told == [["done", "error", "done"]]
        talking.close()

    live(scene)


def test_a_file_without_end_does_not_stop_the_loop() -> None:
    async def scene() -> None:
        reader = os.open("/dev/zero", os.O_RDONLY)
        writer = os.open(os.devnull, os.O_WRONLY)
        talk = Talk(reader, writer)
        for _ in range(20):
            await asyncio.sleep(0)  # the loop turns
        talk.pipe.close()
        assert talk.lines == []
        os.close(reader)
        os.close(writer)

    live(scene)


TAKING_OVER = """
import os, subprocess, sys
from vipagent.exabgp.pipe import take_over_stdio

reader, writer = take_over_stdio()
print("a library's words")
os.system("echo a child of a shell; cat")
subprocess.run(["sh", "-c", "ls -l /proc/self/fd >&2; cat"], close_fds=False)
os.write(writer, b"a command\\n" + os.read(reader, 100))
"""


def test_e6_e8_stdin_and_stdout_are_the_agent_s_alone() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TAKING_OVER],
        input="a reply\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=allowed(30),
    )
    assert ran.stdout == "a command\na reply\n"
    open_in_child = {line.split()[-1] for line in ran.stderr.splitlines() if "pipe:" in line}
    assert len(open_in_child) == 1, f"stderr only: {ran.stderr}"
