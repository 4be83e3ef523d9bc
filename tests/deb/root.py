"""A Debian root directory, like in CoreOS's toolbox, with the host's network.

Each command has separate mounts and processes, which end with it.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers.debian11 import mirror

RELEASE = "trixie"
"""Debian 13."""
COMMAND_TIMEOUT = 900.0
"""Timeout of a command in seconds: a hundred packages take 0.5 to 10 minutes."""
ENTER = 'mount --rbind /dev "$0/dev"; mount -t proc proc "$0/proc"; chroot "$@"; exit $?'
"""The shell keeps running, because the death signal of its parent is lost when the user changes."""
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Root:
    """One existing root."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, path: Path) -> "Root":
        """Create a root with apt and essential packages, from the machine's Debian mirror."""
        options = ["--variant=apt", "--skip=cleanup/apt/lists", "--dpkgopt=force-unsafe-io"]
        _run(["mmdebstrap", "--quiet", *options, RELEASE, str(path), mirror()])
        start = path / "usr/sbin/policy-rc.d"
        start.write_text("#!/bin/sh\nexit 101\n")  # do not start services
        start.chmod(0o755)
        return cls(path)

    def copy(self, path: Path) -> "Root":
        """Return a copy."""
        _run(["cp", "--archive", str(self.path), str(path)])
        return Root(path)

    def command(self, *words: str, user: str = "root") -> list[str]:
        """Return the command line that runs a command in the root; `kill -9` also ends its children."""
        own = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
        root = str(self.path)
        return [*own, "sh", "-ec", ENTER, root, f"--userspec={user}", root, *words]

    def run(self, *words: str, user: str = "root") -> str:
        """Run a command in the root, and return its output."""
        return _run(self.command(*words, user=user))


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(
        command,
        env=ENVIRONMENT | {name: value for name, value in os.environ.items() if name.startswith("http")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-8000:]}"
    return done.stdout
