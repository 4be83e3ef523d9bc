"""A process on one of the lab's machines, identified by a pid file, which outlives its starter."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from tests.servers.process import wait_for

ROOT = Path(__file__).parents[2]
"""Directory from which `python -m tests.lab` runs."""
WRITE_PID = 'echo $$ >"$0" && exec "$@"'


class Daemon:
    """One process, with its output in `NAME.log`. It is not a child, so any process can control it.

    Args:
        name: base name of its files.
        command: command line inside its machine's namespace (`Network.inside`).
        directory: directory of its files.
        environment: default: the environment of this process.
    """

    def __init__(
        self, name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._command = list(command)
        self._environment = environment
        self._file = directory / f"{name}.pid"

    @property
    def pid(self) -> int:
        """Its pid, or 0 if it is not running."""
        try:
            pid, birth = self._file.read_text().split()
        except (OSError, ValueError):
            return 0
        return int(pid) if _birth(int(pid)) == birth else 0

    def start(self) -> None:
        """Start it, unless it is running."""
        if self.pid:
            return
        self._file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", WRITE_PID, str(self._file), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=ROOT,
                check=True,
            )
        pid = int(wait_for(f"{self.name} has a pid", self._told))
        self._file.write_text(f"{pid} {_birth(pid)}")

    def _told(self) -> str:
        """Return the line that WRITE_PID writes, once it is complete."""
        text = self._file.read_text() if self._file.exists() else ""
        return text if text.endswith("\n") else ""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is running."""
        if pid := self.pid:
            kill(pid, number)

    def kill(self) -> None:
        """`kill -9`, and wait until it has exited."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, within: float = 10.0) -> None:
        """Wait until it has exited."""
        wait_for(f"{self.name} has ended", lambda: not self.pid, within, every=0.002)

    def children(self) -> list[int]:
        """Return the pids of its children."""
        try:
            return [
                int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            ]
        except OSError:
            return []


def read(log: Path, start: int = 0) -> str:
    """Return the content of a log from an offset in bytes; empty if it does not exist."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def logged_at(line: str) -> float:
    """Return the time of a line of an agent's log, in seconds of the system clock; 0 if it has none."""
    try:
        return datetime.fromisoformat(line.partition(" ")[0]).timestamp()
    except ValueError:
        return 0.0


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process that may have exited."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _birth(pid: int) -> str:
    """Return the start time of a process, which identifies it with its pid; empty if it has exited."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else rest[18]
