"""Whether ExaBGP runs this process: then it must not end for a bad configuration (E6)."""

import os
from pathlib import Path


def run_by_exabgp() -> bool:
    """Say whether a parent of this process, shells in between included, is ExaBGP."""
    pid = os.getppid()
    while pid > 0:  # in a container ExaBGP may be process 1
        arguments = _arguments(pid)
        if _is_exabgp(arguments):
            return True
        if not arguments or Path(arguments[0]).name not in {"sh", "bash", "dash", "env"}:
            return False
        pid = _parent(pid)
    return False


def _is_exabgp(arguments: list[str]) -> bool:
    """Recognize `exabgp …`, `python3 /usr/sbin/exabgp …`, `python3 -m exabgp …` and what they exec."""
    program = [Path(argument).name for argument in arguments[:4]]
    return "exabgp" in program or any("/exabgp/application/" in argument for argument in arguments[:4])


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
