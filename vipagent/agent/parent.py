"""Detects whether ExaBGP runs this process, which then must not exit on an invalid configuration (E6)."""

import os
from pathlib import Path

WRAPPERS = frozenset({"sh", "bash", "dash", "env", "sudo", "su", "runuser"})
"""Programs that may run between ExaBGP and this process."""


def run_by_exabgp() -> bool:
    """Return whether ExaBGP is a parent of this process, directly or through wrappers."""
    pid = os.getppid()
    while pid > 0:  # in a container ExaBGP may be process 1
        arguments = _arguments(pid)
        if _is_exabgp(arguments):
            return True
        if Path(arguments[0]).name not in WRAPPERS:
            return False
        pid = _parent(pid)
    return False


def _is_exabgp(arguments: list[str]) -> bool:
    """Recognize `exabgp …`, `python3 /usr/sbin/exabgp …`, `python3 -m exabgp …` and programs they execute.

    The word may also appear in other arguments: `sudo -u exabgp …`, `vi exabgp.conf`.
    """
    program = arguments[0]
    if Path(program).name.startswith(("python", "pypy")):
        program = next((argument for argument in arguments[1:] if not argument.startswith("-")), "")
    return Path(program).name == "exabgp" or "/exabgp/application/" in program


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return [""]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
