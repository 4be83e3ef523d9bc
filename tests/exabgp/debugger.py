"""Stop one thread of a process like a debugger; other threads keep running, unlike with SIGSTOP."""

import ctypes
import os

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
"""Constants of ptrace(2)."""
WAIT_ALL = 0x40000000
"""Constant of waitpid(2): wait for a traced thread that is not a child."""

_libc = ctypes.CDLL(None, use_errno=True)


def stop(pid: int) -> None:
    """Stop a process's first thread until it is killed; then `reap` must be called."""
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if _libc.ptrace(request, pid, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace({request:#x}, {pid})")
    os.waitpid(pid, WAIT_ALL)


def reap(pid: int) -> bool:
    """Return whether a stopped process has exited; its parent is notified only after this call."""
    return os.waitpid(pid, WAIT_ALL | os.WNOHANG)[0] == pid
