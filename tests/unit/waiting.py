"""Wait for conditions with a timeout."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from vipagent.testing.slowness import allowed


async def eventually(what: str, probe: Callable[[], object], within: float = 10.0) -> None:
    """Wait until `probe` returns a true value; fail after `within` seconds, scaled by the slowness factor."""
    within = allowed(within)
    deadline = asyncio.get_running_loop().time() + within
    while not (seen := probe()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {within} s: {what}; last seen: {seen!r}")
        await asyncio.sleep(0.005)


def runs(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def lines(path: Path) -> list[str]:
    """Return the lines of a file, or none if it does not exist yet."""
    return path.read_text().splitlines() if path.exists() else []
