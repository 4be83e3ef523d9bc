"""Network namespaces for tests of interfaces and addresses."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from vipagent.testing.slowness import allowed

CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def new_network() -> Iterator[None]:
    """Move this thread and its child processes into an empty network namespace, and back at the end."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    try:
        ip("link", "set", "lo", "up")
        yield
    finally:
        assert libc.setns(before, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(before)


def ip(*arguments: str) -> str:
    """Run `ip`, and return its output."""
    return subprocess.run(
        ["ip", *arguments], capture_output=True, text=True, check=True, timeout=allowed(10)
    ).stdout
