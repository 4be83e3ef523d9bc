"""Stops one thread of a process, as a debugger does: the others run on, unlike with SIGSTOP."""

import ctypes
import os

SEIZE, INTERRUPT = 0x4206, 0x4207
"""Of ptrace(2)."""
WALL = 0x40000000
"""Of waitpid(2): a traced thread is waited for, though it is no child of ours."""

_libc = ctypes.CDLL(None, use_errno=True)


def stop(pid: int) -> None:
    """Stop a process's first thread until it is killed; then `reap` has to be called."""
    for request in (SEIZE, INTERRUPT):
        if _libc.ptrace(request, pid, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace({request:#x}, {pid})")
    os.waitpid(pid, WALL)


def reap(pid: int) -> bool:
    """Say whether a process that was stopped has ended; its parent learns of that only after this."""
    return os.waitpid(pid, WALL | os.WNOHANG)[0] == pid
