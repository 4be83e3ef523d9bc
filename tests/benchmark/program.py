"""A child process with the pipes of ExaBGP: records its commands with timestamps, and acknowledges them."""

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

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Command:
    """One line that the program has written."""

    at: float
    line: str


class Program:
    """One child process with ExaBGP's two pipes.

    Args:
        arguments: arguments after `python -m`.
        log: file of its stderr.
        env: additional environment variables.
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
        self._condition = threading.Condition()
        self._reader = threading.Thread(target=self._acknowledge, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Program":
        """Return the running program."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill it."""
        self.kill()

    def kill(self) -> None:
        """Kill it with SIGKILL, and reap it."""
        self._child.kill()
        self._child.wait()
        self._reader.join(allowed(10))

    def terminate(self) -> None:
        """Send SIGTERM, and wait for its exit."""
        self._child.terminate()
        self._child.wait(allowed(10))

    def reload(self) -> None:
        """Send SIGHUP."""
        self._child.send_signal(signal.SIGHUP)

    def write_line(self, line: str) -> None:
        """Write a line to its stdin that is not a reply, like an event of ExaBGP."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n".encode())
        self._child.stdin.flush()

    def commands(self, text: str = "", since: float = 0.0) -> list[Command]:
        """Return all commands that contain `text` and were written after `since` (monotonic seconds).

        Addresses match only completely: `announce route 10.0.0.2` does not match a command for 10.0.0.20.
        """
        pattern = re.compile(re.escape(text) + (r"(?![\w.:])" if text[-1:].isalnum() else ""))
        return [command for command in self._commands if command.at >= since and pattern.search(command.line)]

    def wait_for(self, text: str, since: float, within: float = 30.0) -> Command:
        """Wait for a command that contains `text` and was written after `since`, and return the first."""
        found: list[Command] = []

        def is_written() -> bool:
            found[:] = self.commands(text, since)
            return bool(found)

        within = allowed(within)
        self._await(is_written, within)
        if not found:
            raise AssertionError(f"{self._child.args!r} wrote no {text!r} within {within} s")
        return found[0]

    def resident(self) -> float:
        """Return the resident memory in MB."""
        return self._status("VmRSS") / 1024

    def threads(self) -> int:
        """Return the number of its threads."""
        return self._status("Threads")

    def descriptors(self) -> int:
        """Return the number of its open file descriptors."""
        return len(os.listdir(f"/proc/{self._child.pid}/fd"))  # noqa: PTH208 - only the number, and fast

    def cpu(self) -> float:
        """Return the CPU seconds of the program and of all children that it has reaped."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / CLOCK_TICKS

    def _status(self, name: str) -> int:
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1])

    def _await(self, predicate: Callable[[], bool], within: float) -> None:
        with self._condition:
            self._condition.wait_for(predicate, within)

    def _acknowledge(self) -> None:
        stdout, stdin = self._child.stdout, self._child.stdin
        if stdout is None or stdin is None:
            return
        with suppress(OSError), stdout, stdin:  # the program may exit at any time
            for line in stdout:
                command = Command(time.monotonic(), line.decode().strip())
                with self._condition:
                    self._commands.append(command)
                    self._condition.notify_all()
                stdin.write(b"done\n")
                stdin.flush()
