"""A program that believes to be run by ExaBGP: its commands are taken with a time stamp, and acknowledged."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from vipagent.testing.slowness import allowed

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Command:
    """One line that the program wrote."""

    at: float
    line: str


class Program:
    """One child process with ExaBGP's two pipes.

    Args:
        arguments: what follows `python -m`.
        log: where its stderr goes.
        env: variables of its environment, besides ours.
    """

    def __init__(self, arguments: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        with log.open("ab") as stderr:
            self._child = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **(env or {})},
            )
        self._commands: list[Command] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._acknowledge, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Program":
        """Return the running program."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.kill()

    def kill(self) -> None:
        """`kill -9`, and reap."""
        self._child.kill()
        self._child.wait()
        self._reader.join(allowed(10))

    def terminate(self) -> None:
        """Ask it to end, and wait until it has."""
        self._child.terminate()
        self._child.wait(allowed(10))

    def reload(self) -> None:
        """Ask it to read its configuration again."""
        self._child.send_signal(signal.SIGHUP)

    def tell(self, line: str) -> None:
        """Write a line that answers no command, as ExaBGP does."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n".encode())
        self._child.stdin.flush()

    def commands(self, word: str = "", since: float = 0.0) -> list[Command]:
        """Return all commands so far with `word` in them that were written after `since`.

        An address stands for itself alone: `announce route 10.0.0.2` is not found in a line of 10.0.0.20.
        """
        pattern = re.compile(re.escape(word) + (r"(?![\w.:])" if word[-1:].isalnum() else ""))
        return [command for command in self._commands if command.at >= since and pattern.search(command.line)]

    def wait_for(self, word: str, since: float, within: float = 30.0) -> Command:
        """Return the first command with `word` in it that was written after `since`."""
        found: list[Command] = []

        def said() -> bool:
            found[:] = self.commands(word, since)
            return bool(found)

        within = allowed(within)
        self._await(said, within)
        if not found:
            raise AssertionError(f"{self._child.args!r} wrote no {word!r} within {within} s")
        return found[0]

    def resident(self) -> float:
        """Return the resident memory in MB."""
        return self._status("VmRSS") / 1024

    def threads(self) -> int:
        """Return the number of its threads."""
        return self._status("Threads")

    def descriptors(self) -> int:
        """Return the number of its open file descriptors."""
        return len(os.listdir(f"/proc/{self._child.pid}/fd"))  # noqa: PTH208 - names alone, and quickly

    def cpu(self) -> float:
        """Return the CPU seconds of the program and of all the children that it has waited for."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS

    def _status(self, name: str) -> int:
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1])

    def _await(self, said: Callable[[], bool], within: float) -> None:
        with self._news:
            self._news.wait_for(said, within)

    def _acknowledge(self) -> None:
        out, into = self._child.stdout, self._child.stdin
        if out is None or into is None:
            return
        with suppress(OSError), out, into:  # until it has ended
            for line in out:
                command = Command(time.monotonic(), line.decode().strip())
                with self._news:
                    self._commands.append(command)
                    self._news.notify_all()
                into.write(b"done\n")
                into.flush()
