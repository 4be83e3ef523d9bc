"""A separate Debian below a directory, as CoreOS's toolbox has one: what runs in it has our network.

Each command has mounts and processes of its own: nothing of them is left when it ends, however it ends.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers.debian11 import mirror

RELEASE = "trixie"
"""Debian 13."""
COMMAND_TIMEOUT = 900.0
"""Seconds that a command gets: a hundred packages take half a minute, or ten of them on a busy machine."""
ENTER = 'mount --rbind /dev "$0/dev"; mount -t proc proc "$0/proc"; chroot "$@"; exit $?'
"""The shell stays, for it is what dies with its parent: who changes the user forgets its parent."""
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Root:
    """One root, which exists already."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, path: Path) -> "Root":
        """Make a fresh one, with apt and what is essential, from the mirror of this machine's Debian."""
        options = ["--variant=apt", "--skip=cleanup/apt/lists", "--dpkgopt=force-unsafe-io"]
        _run(["mmdebstrap", "--quiet", *options, RELEASE, str(path), mirror()])
        start = path / "usr/sbin/policy-rc.d"
        start.write_text("#!/bin/sh\nexit 101\n")  # no service is started in here
        start.chmod(0o755)
        return cls(path)

    def copy(self, path: Path) -> "Root":
        """Return another one like this."""
        _run(["cp", "--archive", str(self.path), str(path)])
        return Root(path)

    def command(self, *words: str, user: str = "root") -> list[str]:
        """Return the command that runs another one in here; `kill -9` ends all that it has started."""
        own = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
        root = str(self.path)
        return [*own, "sh", "-ec", ENTER, root, f"--userspec={user}", root, *words]

    def run(self, *words: str, user: str = "root") -> str:
        """Run a command in here, and return what it prints."""
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
