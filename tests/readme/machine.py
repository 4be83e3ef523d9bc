"""A machine of the quick start, with separate network and mount namespaces."""

import ctypes
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.servers.process import Process, wait_for

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of root on Debian, for the system's Python."""
CLONE_NEWNET = 0x40000000
COVER = """
set -eu
own=$1; shift
for place; do
    old=$own/old$place
    mkdir -p "$old"
    mount --rbind "$place" "$old"
    mount -t tmpfs -o mode=755 tmpfs "$place"
    for entry in "$old"/* "$old"/.[!.]*; do
        name=$place/${entry##*/}
        if [ -L "$entry" ] || [ -f "$entry" ]; then cp -a "$entry" "$name"
        elif [ -d "$entry" ] && [ "${name#*/vipagent}" = "$name" ] && [ "${name#*/exabgp}" = "$name" ]
        then mkdir "$name"; mount --rbind "$entry" "$name"
        fi
    done
done
"""
"""Cover directories with copies in memory, without the files that the quick start creates."""

_libc = ctypes.CDLL(None, use_errno=True)


class Machine:
    """A machine with its own directories that the quick start changes, and an empty network namespace.

    Args:
        name: name for messages.
        directory: directory of its files.
        shared: directories shared by several machines, by mount point.
    """

    def __init__(self, name: str, directory: Path, shared: Mapping[str, Path]) -> None:
        self.name = name
        self.directory = directory
        self._shared = shared
        self._mounts = Process(f"{name}-mounts", ["unshare", "--mount", "sleep", "infinity"], directory / "m")
        self._network = Process(f"{name}-network", ["unshare", "--net", "sleep", "infinity"], directory / "n")

    def start(self) -> None:
        """Create its namespaces."""
        for holder in (self._mounts, self._network):
            holder.start()
            wait_for("the namespace exists", partial(_is_ready, holder), 30)
        self.run("sh", "-c", COVER, "sh", str(self.directory), "/etc", "/opt", "/var/lib", outside=True)
        for place, directory in self._shared.items():
            self.run("mkdir", "-p", place)
            self.run("mount", "--bind", str(directory), place)
        self.run("ip", "link", "set", "lo", "up")

    def stop(self) -> None:
        """Remove its namespaces."""
        self._network.kill()
        self._mounts.kill()

    @property
    def network(self) -> int:
        """Pid of a process in its network namespace."""
        return self._network.pid

    def inside(self, *command: str, outside: bool = False) -> list[str]:
        """Return the command line that runs a command on it.

        Args:
            command: the command.
            outside: use the host's network namespace.
        """
        # Also enter its root: after entering a mount namespace the root is outside of a chroot.
        holder = f"/proc/{self._mounts.pid}"
        namespaces = [f"--mount={holder}/ns/mnt", f"--root={holder}/root", f"--wd={holder}/root"]
        if not outside:
            namespaces.append(f"--net=/proc/{self._network.pid}/ns/net")
        return ["nsenter", *namespaces, "--", *command]

    def write(self, file: str, text: str) -> None:
        """Write a world-readable file; its directory must exist."""
        script = 'printf %s "$2" >"$1"; chmod 644 "$1"'
        self.run("sh", "-euc", script, "sh", file, text)

    def run(
        self, *command: str, outside: bool = False, within: float = 180, directory: Path = Path("/")
    ) -> str:
        """Run a command on it, and return its output."""
        # After entering a mount namespace the working directory is its root.
        line = self.inside("env", f"--chdir={directory}", *command, outside=outside)
        done = subprocess.run(
            line,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
        )
        assert done.returncode == 0, (
            f"{self.name}: {command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def process(self, name: str, *command: str) -> Process:
        """Return a process on it, not started."""
        return Process(name, self.inside(*command), self.directory / f"{name}.log", environment())


@contextmanager
def entered(machine: Machine) -> Iterator[None]:
    """Run the block in a machine's network namespace, with this thread and its children."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{machine.network}/ns/net", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(before)
        os.close(there)
        os.close(before)


def connect(switch: Machine, other: Machine, addresses: Sequence[str]) -> None:
    """Create a link: the switch's end is named after the other machine, the other end `uplink`."""
    switch.run(
        "ip", "link", "add", other.name, "type", "veth", "peer", "name", "uplink", "netns", str(other.network)
    )
    switch.run("ip", "link", "set", other.name, "up")
    for address in addresses:
        other.run("ip", "address", "add", address, "dev", "uplink")
    other.run("ip", "link", "set", "uplink", "up")


def environment() -> dict[str, str]:
    """Return the environment of a login shell, without variables of the tests, Python and ExaBGP."""
    ours = ("exabgp", "EXABGP", "VIPAGENT", "PYTHON", "VIRTUAL_ENV", "TOX", "COV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PATH": PATH}


def _enter(network: int) -> None:
    assert _libc.setns(network, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())


def _is_ready(holder: Process) -> bool:
    """Return whether `unshare` has executed its command."""
    return Path(f"/proc/{holder.pid}/cmdline").read_bytes().startswith(b"sleep")
