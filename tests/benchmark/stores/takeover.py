"""Measure takeovers: from the failure of an agent to the announcement by the survivor."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from tests.benchmark.program import Program
from tests.benchmark.stores.served import Served, agent, vip

KILLS = 5
HANDOVERS = 200
ORPHAN = vip(1)


@dataclass(frozen=True, slots=True)
class Times:
    """Times in seconds, one per round."""

    kills: list[float]
    """From kill -9 of an agent to the survivor's announcement."""
    handovers: list[float]
    """From the withdrawal and deregistration of an agent to the survivor's announcement."""

    def row(self, store: Served) -> list[str]:
        """Return the row of a table."""
        low, middle, high = min(self.kills), median(self.kills), max(self.kills)
        worst = quantiles(self.handovers, n=100)[98]
        return [
            store.backend,
            "" if store.backend == "file" else f"{store.session_timeout:g} s",
            f"{middle:.2f} s ({low:.2f} to {high:.2f})",
            f"{median(self.handovers) * 1000:.1f} ms",
            f"{worst * 1000:.1f} ms",
        ]


def takeovers(folder: Path, store: Served) -> Times:
    """Measure with two agents, of which one is repeatedly killed or disabled."""
    session_timeout = f"--session-timeout={store.session_timeout}"
    flag = folder / "disabled"
    serving = ["--release-delay=0.01", "--interval=0.05", "--fast-interval=0.05", f"--disable={flag}"]
    with agent(folder, store, 2, session_timeout, "--release-delay=0.01") as survivor:
        survivor.wait_for(f"announce route {vip(2)}", 0.0)
        _wait_until(lambda: survivor.commands(f"announce route {ORPHAN}"))  # it is not registered yet
        kills = [_kill(agent(folder, store, 1, session_timeout), survivor, number) for number in range(KILLS)]
        with agent(folder, store, 1, session_timeout, *serving) as owner:
            survivor.wait_for(f"withdraw route {ORPHAN}", _last_takeover(survivor))
            handovers = [_hand_over(flag, owner, survivor) for _ in range(HANDOVERS)]
    return Times(kills, handovers)


def _kill(owner: Program, survivor: Program, number: int) -> float:
    with owner:
        survivor.wait_for(f"withdraw route {ORPHAN}", _last_takeover(survivor))
        time.sleep(0.5 + number * 0.2)  # each time at a different phase of the keep-alive interval
        killed_at = time.monotonic()
        owner.kill()
        return survivor.wait_for(f"announce route {ORPHAN}", killed_at).at - killed_at


def _hand_over(flag: Path, owner: Program, survivor: Program) -> float:
    started = time.monotonic()
    flag.touch()
    withdrawn = owner.wait_for(f"withdraw route {ORPHAN}", started).at
    announced = survivor.wait_for(f"announce route {ORPHAN}", started).at
    flag.unlink()
    survivor.wait_for(f"withdraw route {ORPHAN}", announced)
    return announced - withdrawn


def _last_takeover(survivor: Program) -> float:
    """Return the time of the survivor's last takeover; earlier commands belong to earlier rounds."""
    return survivor.commands(f"announce route {ORPHAN}")[-1].at


def _wait_until(condition: Callable[[], object], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.01)
