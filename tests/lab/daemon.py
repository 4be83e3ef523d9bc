"""A process on one of the lab's machines, known by a file with its pid: it outlives who started it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.process import wait_for

ROOT = Path(__file__).parents[2]
"""Where `python -m tests.lab` is found."""
TELL_PID = 'echo $$ >"$0" && exec "$@"'


class Daemon:
    """One process, its output in `NAME.log`. It is nobody's child, so whoever has the lab can look after it.

    Args:
        name: of its files.
        command: as it is run inside of its machine's namespace (`Network.inside`).
        directory: for its files.
        environment: by default this process's own.
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
        """Its pid, if it runs; else 0."""
        try:
            pid, birth = self._file.read_text().split()
        except (OSError, ValueError):
            return 0
        return int(pid) if _birth(int(pid)) == birth else 0

    def start(self) -> None:
        """Start it; nothing happens if it runs."""
        if self.pid:
            return
        self._file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", TELL_PID, str(self._file), *self._command],
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
        """Return the line that TELL_PID writes, once it is whole."""
        text = self._file.read_text() if self._file.exists() else ""
        return text if text.endswith("\n") else ""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it does not run."""
        if pid := self.pid:
            kill(pid, number)

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, within: float = 10.0) -> None:
        """Wait until it is gone."""
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
    """Return what is in a log, from a number of bytes on. It may not be there yet."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _birth(pid: int) -> str:
    """When a living process was started: with its pid, that is its identity. Empty: it is gone."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else rest[18]
