"""Run a command as root with `/` as a mount point; in a plain chroot, in separate namespaces.

    python -m tests.rooted pytest tests/lab

In a plain chroot `/` is an ordinary directory, and its mount is outside of the chroot: `unshare --mount`,
`ip netns exec` and mmdebstrap cannot make mounts private. This program bind-mounts the directory on itself,
in a mount namespace that ends with the command. Elsewhere it only executes the command.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
UNSHARE = (
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
"""Command prefix with a separate PID namespace: its mounts are removed when its processes have exited. The
shell has pid 1, and reaps orphans."""

_libc = ctypes.CDLL(None, use_errno=True)


def root_is_mount_point() -> bool:
    """Return whether mounts can be made private; without root privileges, True."""
    if os.geteuid():
        return True
    probe = subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL, check=False)
    return probe.returncode == 0


def mount_root() -> None:
    """Make this process's root a mount point, in a separate mount namespace."""
    directory = Path.cwd()
    _call(_libc.unshare, CLONE_NEWNS)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    # A process that enters a mount namespace is at its root, outside of the chroot. Only from there it can
    # make the mount of the chroot private, so that the machine's mounts are not affected.
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    _call(_libc.setns, namespace, CLONE_NEWNS)
    _call(_libc.mount, None, b"/", None, MS_REC | MS_PRIVATE, None)
    os.fchdir(root)
    path = bytes(Path.cwd())
    _call(_libc.mount, path, path, None, MS_BIND | MS_REC, None)
    os.chroot(path)
    os.chdir(directory)
    for descriptor in (root, namespace):
        os.close(descriptor)


def _call(function: "ctypes._NamedFuncPointer", *arguments: object) -> None:
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


if __name__ == "__main__":
    command = sys.argv[1:]
    if not root_is_mount_point():
        mount_root()
        command = [*UNSHARE, *command]
    os.execvp(command[0], command)
