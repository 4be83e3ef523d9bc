"""Runs a command as root with `/` as a mount point, in new namespaces if it is not one already.

    python -m tests.rooted pytest tests/lab

In a plain chroot `/` is an ordinary directory. Its mount has no path, so neither `unshare --mount` nor
`ip netns exec` nor mmdebstrap can make its mounts private. This program mounts the same directory, in a
namespace that ends with the command. If `/` is a mount point already, it only runs the command.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
OWN = (
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "sh",
    "-c",
    '"$@"; exit $?',
    "sh",
)
"""The processes are in a separate namespace, so its mounts are removed when they exit. The first process
is a shell, because it must reap orphans."""

_libc = ctypes.CDLL(None, use_errno=True)


def is_mounted() -> bool:
    """Return whether mounts can be made private, or the user is not root."""
    if os.geteuid():
        return True
    tried = subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL, check=False)
    return tried.returncode == 0


def mount_root() -> None:
    """Make this process's root a mount point, in a separate mount namespace."""
    here = Path.cwd()
    _call(_libc.unshare, CLONE_NEWNS)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    # A process that enters a mount namespace is at its root, outside of the chroot. Only from there can the
    # mount of the chroot be made private, so that the machine's mounts are not affected.
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    _call(_libc.setns, namespace, CLONE_NEWNS)
    _call(_libc.mount, None, b"/", None, MS_REC | MS_PRIVATE, None)
    os.fchdir(root)
    path = bytes(Path.cwd())
    _call(_libc.mount, path, path, None, MS_BIND | MS_REC, None)
    os.chroot(path)
    os.chdir(here)
    for descriptor in (root, namespace):
        os.close(descriptor)


def _call(function: "ctypes._NamedFuncPointer", *arguments: object) -> None:
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


if __name__ == "__main__":
    command = sys.argv[1:]
    if not is_mounted():
        mount_root()
        command = [*OWN, *command]
    os.execvp(command[0], command)
