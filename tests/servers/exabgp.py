"""A real ExaBGP, 4.2 or 5, with API processes.

    python -m tests.servers.exabgp      # installs 4.2 if needed, prints its path

Both versions come from PyPI.
"""

import contextlib
import os
import pwd
import shlex
import signal
import subprocess
import sysconfig
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import bird
from tests.servers.process import Process, wait_for

VERSIONS = ("4", "5")
EXABGP4 = "exabgp==4.2.25"
"""Debian 13's version. It needs a separate environment from ExaBGP 5."""


def executable(version: str) -> Path:
    """Return ExaBGP's program: 5 is in the tests' environment, 4 is `VIPAGENT_EXABGP4`."""
    if version == "5":
        return Path(sysconfig.get_path("scripts")) / "exabgp"
    if configured := os.environ.get("VIPAGENT_EXABGP4"):
        return Path(configured)
    home = Path(os.environ.get("TOX_ENV_DIR", ".tox")).absolute() / EXABGP4.replace("==", "-")
    program = home / "bin" / "exabgp"
    if not program.exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "-q", EXABGP4], check=True)
    return program


@dataclass(frozen=True)
class Settings:
    """Settings of an ExaBGP."""

    version: str
    ack: bool = True
    """Whether it replies to commands (`exabgp.api.ack`)."""
    hold: int = 240
    """BGP hold time, in seconds."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment of ExaBGP and its API processes."""
    command_prefix: Sequence[str] = ()
    """Command prefix: a program with options that executes ExaBGP."""
    encoder: str = "json"
    """Encoder of events for API processes."""
    events: bool = True
    """Whether it reports changes of neighbours (`neighbor-changes`)."""
    peer_as: int | None = None
    """Configured AS number of all switches; default: their own."""
    families: Sequence[str] = ("ipv4 unicast", "ipv6 unicast")
    api: Sequence[str] | None = None
    """Processes named in the `api` block of each neighbour; default: all."""


def environment(settings: Settings, speaker: bird.Peer) -> dict[str, str]:
    """Return ExaBGP's environment: its settings and listen address."""
    return {name: value for name, value in os.environ.items() if not name.startswith("exabgp")} | {
        "exabgp_daemon_user": pwd.getpwuid(os.getuid()).pw_name,
        "exabgp_tcp_bind": speaker.address,
        "exabgp_tcp_port": str(speaker.port),
        "exabgp_api_cli": "false",
        "exabgp_api_ack": str(settings.ack).lower(),
        **settings.environment,
    }


class ExaBGP:
    """One load balancer's ExaBGP, with any number of neighbours (switches) and API processes.

    Args:
        settings: its settings.
        directory: directory of its configuration, logs and scripts.
        speaker: its address and AS number.
        neighbors: the switches.
        processes: the command of each API process by its name; its stderr goes to `NAME.log`.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        speaker: bird.Peer,
        neighbors: Sequence[bird.Neighbor],
        processes: Mapping[str, Sequence[str]],
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        for name, command in processes.items():
            _script(directory, name, command)
        configuration = directory / "exabgp.conf"
        configuration.write_text(_configuration(settings, directory, speaker, neighbors, list(processes)))
        state = directory / "state"
        state.mkdir(exist_ok=True)
        state.chmod(0o777)  # ExaBGP may run as another user
        command = [*settings.command_prefix, str(executable(settings.version)), str(configuration)]
        variables = {"STATE_DIRECTORY": str(state)} | environment(settings, speaker)
        self.process = Process("exabgp", command, directory / "exabgp.log", variables)
        self._commands = {name: list(command) for name, command in processes.items()}
        self._children: set[tuple[int, str]] = set()

    def start(self) -> None:
        """Start it."""
        self.process.start()

    def children(self) -> list[int]:
        """Return the pids of its API processes, while it is running."""
        if not self.process.running:
            return []
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = [int(pid) for pid in task.read_text().split() if _command(pid) in self._commands.values()]
        self._children.update((pid, _start_time(pid)) for pid in children)
        return children

    def child(self, name: str | None = None) -> int:
        """Wait for the API process with this name (default: the only one), and return its pid."""

        def found() -> list[int]:
            return [
                pid for pid in self.children() if name is None or _command(str(pid)) == self._commands[name]
            ]

        return wait_for("ExaBGP has started its API process", found)[0]

    def kill(self) -> None:
        """Kill only ExaBGP with SIGKILL; its API processes read end of file."""
        self.children()
        self.process.kill()

    def crash(self) -> None:
        """Kill the API processes and ExaBGP together with SIGKILL, like a failure of the machine."""
        self.process.signal(signal.SIGSTOP)  # so that it does not restart the API processes
        for pid in self.children():
            _kill(pid)
        self.process.kill()

    def terminate(self, within: float = 10.0) -> None:
        """Send SIGTERM, and wait for its exit."""
        self.children()
        self.process.terminate(within)

    def pause(self) -> None:
        """Freeze it with SIGSTOP."""
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue it with SIGCONT."""
        self.process.signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop it and all of its child processes, in any state."""
        self.resume()
        self.terminate(5.0)
        for pid, start_time in self._children:
            if start_time and _start_time(pid) == start_time:
                _kill(pid)

    def stderr_of(self, name: str) -> str:
        """Return the stderr output of the API process `name`."""
        log = self.directory / f"{name}.log"
        return log.read_text(errors="replace") if log.exists() else ""


def _script(directory: Path, name: str, command: Sequence[str]) -> None:
    """Write the script that ExaBGP runs: its configuration supports neither quoting nor redirection."""
    script = directory / f"{name}.sh"
    log = shlex.quote(str(directory / f"{name}.log"))
    script.write_text(f"#!/bin/sh\nexec {shlex.join(command)} 2>>{log}\n")
    script.chmod(0o755)


def _configuration(
    settings: Settings,
    directory: Path,
    speaker: bird.Peer,
    neighbors: Sequence[bird.Neighbor],
    processes: Sequence[str],
) -> str:
    blocks = [
        f"process {name} {{\n  run {directory / name}.sh;\n  encoder {settings.encoder};\n}}\n"
        for name in processes
    ]
    return "".join([*blocks, *(_neighbor(settings, speaker, neighbor, processes) for neighbor in neighbors)])


def _neighbor(
    settings: Settings, speaker: bird.Peer, neighbor: bird.Neighbor, processes: Sequence[str]
) -> str:
    families = "".join(f"    {family};\n" for family in settings.families)
    named = processes if settings.api is None else settings.api
    events = "    neighbor-changes;\n" if settings.events else ""
    return (
        f"neighbor {neighbor.address} {{\n"
        f"  router-id {speaker.address};\n"
        f"  local-address {speaker.address};\n"
        f"  local-as {speaker.asn};\n"
        f"  peer-as {neighbor.asn if settings.peer_as is None else settings.peer_as};\n"
        f"  connect {neighbor.port};\n"
        f"  hold-time {settings.hold};\n"
        f"  family {{\n{families}  }}\n"
        f"  capability {{\n    add-path send;\n  }}\n"
        f"  api {{\n    processes [ {' '.join(named)} ];\n{events}  }}\n"
        f"}}\n"
    )


def _command(pid: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    except OSError:
        return []


def _start_time(pid: int) -> str:
    """Return the start time of a process, which identifies it together with its pid."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    print(executable("4"))
